using System.Globalization;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Interop
{
    /// <summary>This SDK at one end, a peer of each language at the other, in both roles, over every kind of link.</summary>
    [TestFixture]
    public class InteropTest : GatewayTest
    {
        private const uint PeerId = 1;
        private const int Count = 10000;
        private const int Window = 200;

        [Test]
        public void Peers_of_all_languages_and_roles_understand_each_other(
            [Values(Peer.CSharp, Peer.Rust, Peer.Go)] string language,
            [Values("client", "server")] string role,
            [Values(LinkKind.Plain, LinkKind.Legacy, LinkKind.LegacyEncrypted, LinkKind.Pinned)] string link)
        {
            var gateway = StartGateway(LinkKind.Flags(link));
            var conn = role == "server" ? ToServer(gateway, language, link) : ToClient(gateway, language, link);
            Echoes(conn);
            CountsAndIsCounted(conn);
            IsDialed(conn);
            Dials(conn);
            IsRefused(conn);
            ClosesAndIsClosed(conn);
            if (link == LinkKind.Plain)
            {
                // The end of a session is known only when it was waited for.
                Aborts(conn);
            }
        }

        private Conn ToServer(Gateway gateway, string language, string link)
        {
            var peer = Owned(Peer.Start(language, "server " + gateway.Server + " \"" + Gateway.Key + "\" " + LinkKind.Argument(link)));
            Assert.AreEqual("ready", peer.Output.ReadLine());
            return Client(gateway, Options(link)).Dial(PeerId);
        }

        private Conn ToClient(Gateway gateway, string language, string link)
        {
            var server = Server(gateway, PeerId, Options(link));
            Owned(Peer.Start(language, "client " + gateway.Client + " " + LinkKind.Argument(link)));
            return Accept(server);
        }

        /// <summary>It loses nothing: a server would close a connection that sends faster than it is received.</summary>
        private static EndPointOptions Options(string link)
        {
            return new EndPointOptions { Session = LinkKind.Options(link), WhenFull = WhenFull.Hold };
        }

        private void Echoes(Conn conn)
        {
            foreach (var size in new[] { 0, 1, 64, 4096, 70000, (512 << 10) - 4 })
            {
                var message = new string('x', size);
                Send(conn, message);
                Assert.AreEqual(message, Receive(conn));
            }
        }

        private void CountsAndIsCounted(Conn conn)
        {
            Send(conn, "!count " + Count);
            for (var number = 0; number < Count; number++)
            {
                Assert.AreEqual(Text(number), Receive(conn));
            }
            for (var number = 0; number < Count + Window; number++)
            {
                if (number < Count)
                {
                    Send(conn, Text(number));
                }
                if (number >= Window)
                {
                    Assert.AreEqual(Text(number - Window), Receive(conn));
                }
            }
        }

        private void IsDialed(Conn conn)
        {
            var dialed = conn.EndPoint.Dial(conn.RemoteID);
            Send(dialed, "by the second");
            Assert.AreEqual("by the second", Receive(dialed));
        }

        private void Dials(Conn conn)
        {
            Send(conn, "!dial");
            var accepted = Accept(conn.EndPoint);
            Assert.AreEqual("dialed", Receive(conn));
            Send(accepted, "by the third");
            Assert.AreEqual("by the third", Receive(accepted));
        }

        private void IsRefused(Conn conn)
        {
            Send(conn, "!dial 4711");
            Assert.AreEqual("refused", Receive(conn));
            var dialed = conn.EndPoint.Dial(4711);
            Assert.IsNull(Receive(dialed));
            Assert.AreEqual(CloseReason.Refused, dialed.CloseReason);
        }

        private void ClosesAndIsClosed(Conn conn)
        {
            var closing = conn.EndPoint.Dial(conn.RemoteID);
            Send(closing, "!close");
            Assert.AreEqual("bye", Receive(closing));
            Assert.IsNull(Receive(closing));
            Assert.AreEqual(CloseReason.Remote, closing.CloseReason);
            conn.EndPoint.Dial(conn.RemoteID).Close();
            Send(conn, "still here");
            Assert.AreEqual("still here", Receive(conn));
        }

        private void Aborts(Conn conn)
        {
            Send(conn, "!abort");
            Assert.IsNull(Receive(conn));
            Assert.IsTrue(conn.EndPoint.IsReady);
        }

        private static string Text(int number)
        {
            return number.ToString(CultureInfo.InvariantCulture);
        }
    }
}
