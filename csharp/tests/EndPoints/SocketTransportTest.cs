using System;
using System.Diagnostics;
using System.Net;
using System.Threading;
using Fastway.Tests.Support;
using Fastway.Transports;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    [TestFixture]
    public class SocketTransportTest
    {
        private const int Patience = 60 * 1000;

        [Test]
        public void Addresses_that_fail_at_once_or_later_leave_it_to_the_next_one()
        {
            IPAddress[] addresses =
            {
                IPAddress.Broadcast, IPAddress.Parse("ff02::1"), IPAddress.Parse("127.0.0.2"), IPAddress.Loopback
            };
            using (var listener = new Listener(socket => { }))
            {
                var transport = new SocketTransport(addresses, listener.Address.Port);
                var waited = Stopwatch.StartNew();
                while (!transport.IsOpen && !transport.HasEnded && waited.ElapsedMilliseconds < Patience)
                {
                    transport.Step(waited.ElapsedMilliseconds);
                    Thread.Sleep(1);
                }
                Assert.IsTrue(transport.IsOpen, Convert.ToString(transport.Error));
                Assert.AreEqual(IPAddress.Loopback, transport.Peer);
                transport.Close();
            }
        }
    }
}
