using System.IO;
using Fastway.Tests.Support;
using NUnit.Framework;
using Snet;

namespace Fastway.Tests.Snet
{
    /// <summary>The original's way to survive a cut, an end point over a <c>SnetStream</c>, through the real gateway.</summary>
    [TestFixture(LinkKind.Legacy)]
    [TestFixture(LinkKind.LegacyEncrypted)]
    public class SnetGatewayTest : GatewayTest
    {
        private readonly string _kind;
        private Gateway _gateway;
        private Tunnel _tunnel;
        private SnetStream _stream;

        public SnetGatewayTest(string kind)
        {
            _kind = kind;
        }

        [SetUp]
        public void Start()
        {
            _gateway = StartGateway(LinkKind.Flags(_kind));
            _tunnel = Owned(new Tunnel(_gateway.Client));
            var parts = _tunnel.Address.Split(':');
            _stream = Owned(new SnetStream(32 << 10, _kind == LinkKind.LegacyEncrypted));
            _stream.Connect(parts[0], int.Parse(parts[1]));
        }

        [Test]
        public void An_end_point_over_it_goes_on_after_cuts()
        {
            var server = Server(_gateway, 1, new EndPointOptions { Session = LinkKind.Options(_kind) });
            var client = Owned(new EndPoint(_stream));
            var conn = client.Dial(1);
            var accepted = Accept(server);
            for (var number = 0; number < 100; number++)
            {
                if (number % 10 == 5)
                {
                    _tunnel.Cut();
                }
                Send(conn, "there " + number);
                Assert.AreEqual("there " + number, Receive(accepted));
                Send(accepted, "back " + number);
                Assert.AreEqual("back " + number, Receive(conn));
            }
            Assert.GreaterOrEqual(_tunnel.Made, 11);
            Assert.IsNull(client.Failure);
        }

        /// <summary>Both ends keep 32 KiB here: what was lost on the way is more than that.</summary>
        [Test]
        public void What_is_kept_no_more_loses_the_session_with_a_reason()
        {
            _tunnel.Swallows = true;
            var written = new byte[1 << 20];
            _stream.Write(written, 0, written.Length);
            _tunnel.Cut();
            _tunnel.Swallows = false;
            Assert.IsFalse(_stream.TryReconn());
            var lost = Assert.Throws<IOException>(() => _stream.Write(written, 0, 1));
            StringAssert.Contains("refused", lost.Message);
        }
    }
}
