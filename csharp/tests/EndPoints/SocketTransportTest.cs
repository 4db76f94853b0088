using System;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
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
                var transport = Open(new SocketTransport(addresses, listener.Address.Port));
                Assert.AreEqual(IPAddress.Loopback, transport.Peer);
                transport.Close();
            }
        }

        [Test]
        public void What_has_arrived_is_read_though_the_other_end_takes_no_more()
        {
            var transport = Reset();
            Assert.AreEqual(0, transport.Write(new ArraySegment<byte>(new byte[10])), "it was reset");
            Assert.AreEqual("the last words", Read(transport));
            Assert.IsTrue(transport.HasEnded);
            Assert.IsInstanceOf<SocketException>(transport.Error);
        }

        [Test]
        public void A_connection_that_takes_no_more_ends_though_it_is_not_read()
        {
            var transport = Reset();
            Assert.AreEqual(0, transport.Write(new ArraySegment<byte>(new byte[10])), "it was reset");
            transport.Step(0);
            Assert.IsTrue(transport.IsOpen);
            transport.Step(10 * 1000);
            Assert.IsTrue(transport.HasEnded);
            Assert.IsInstanceOf<SocketException>(transport.Error);
        }

        private static SocketTransport Open(SocketTransport transport)
        {
            var waited = Stopwatch.StartNew();
            while (!transport.IsOpen && !transport.HasEnded && waited.ElapsedMilliseconds < Patience)
            {
                transport.Step(waited.ElapsedMilliseconds);
                Thread.Sleep(1);
            }
            Assert.IsTrue(transport.IsOpen, Convert.ToString(transport.Error));
            return transport;
        }

        /// <summary>A connection whose other end has sent its last words, and has left without reading what came.</summary>
        private static SocketTransport Reset()
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            var transport = Open(new SocketTransport(new[] { IPAddress.Loopback }, port));
            var other = listener.AcceptSocket();
            listener.Stop();
            transport.Write(new ArraySegment<byte>(new byte[10]));
            Assert.IsTrue(other.Poll(Patience * 1000, SelectMode.SelectRead), "what was written arrives");
            other.Send(Encoding.ASCII.GetBytes("the last words"));
            other.Close();
            return transport;
        }

        private static string Read(Transport transport)
        {
            var bytes = new byte[100];
            var count = 0;
            var waited = Stopwatch.StartNew();
            while (!transport.HasEnded && waited.ElapsedMilliseconds < Patience)
            {
                count += transport.Read(new ArraySegment<byte>(bytes, count, bytes.Length - count));
            }
            return Encoding.ASCII.GetString(bytes, 0, count);
        }
    }
}
