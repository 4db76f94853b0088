using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Fastway.Tests.Sessions;
using Fastway.Tests.Support;
using NUnit.Framework;
using Snet;

namespace Fastway.Tests.Snet
{
    [TestFixture]
    public class SnetStreamTest
    {
        private const int Patience = 20000;
        private const string Host = "127.0.0.1";

        [Test]
        public void What_is_written_comes_back([Values(false, true)] bool encrypt)
        {
            using (var server = new SnetServer(encrypt))
            using (var stream = Connected(server, encrypt))
            {
                Assert.AreNotEqual(0UL, stream.ID);
                Exchange(stream, 300, i => { });
                Assert.AreEqual(1, server.Connections);
            }
        }

        [Test]
        public void It_goes_on_after_a_reconnect_that_was_asked_for([Values(false, true)] bool encrypt)
        {
            using (var server = new SnetServer(encrypt))
            using (var stream = Connected(server, encrypt))
            {
                Exchange(stream, 300, i =>
                {
                    if (i % 30 == 0)
                    {
                        Assert.IsTrue(stream.TryReconn());
                    }
                });
                Assert.AreEqual(11, server.Connections);
            }
        }

        [Test]
        public void It_goes_on_after_cuts([Values(false, true)] bool encrypt)
        {
            using (var server = new SnetServer(encrypt))
            using (var stream = Connected(server, encrypt))
            {
                Exchange(stream, 300, i =>
                {
                    if (i % 10 == 0)
                    {
                        server.Cut();
                    }
                });
                Assert.Greater(server.Connections, 20);
            }
        }

        [Test]
        public void Calls_that_begin_and_end_do_the_same()
        {
            using (var server = new SnetServer(true))
            using (var stream = new SnetStream(1024, true))
            {
                stream.WaitConnect(stream.BeginConnect(Host, server.Port, null, null));
                var sent = Message(1, 500);
                var read = new byte[sent.Length];
                using (var done = new ManualResetEvent(false))
                {
                    stream.EndWrite(stream.BeginWrite(sent, 0, 200, null, null));
                    var reading = stream.BeginRead(read, 0, read.Length, result => done.Set(), "state");
                    stream.EndWrite(stream.BeginWrite(sent, 200, 300, null, null));
                    Assert.IsTrue(done.WaitOne(Patience));
                    Assert.AreEqual("state", reading.AsyncState);
                    Assert.AreEqual(read.Length, stream.EndRead(reading), "all of it, unlike Read");
                }
                CollectionAssert.AreEqual(sent, read);
            }
        }

        [Test]
        public void A_silent_connection_is_given_up_after_the_read_timeout()
        {
            using (var server = new SnetServer(true))
            using (var stream = Connected(server, true))
            {
                server.IsBlackHole = true;
                stream.ReadTimeout = 200;
                stream.Write(new byte[] { 1, 2, 3 }, 0, 3);
                stream.ConnectTimeout = 300;
                var read = new byte[3];
                var reading = stream.BeginRead(read, 0, 3, null, null);
                Assert.IsTrue(SpinWait.SpinUntil(() => server.Connections > 1, Patience), "it is given up");
                server.IsBlackHole = false;
                stream.EndRead(reading);
                CollectionAssert.AreEqual(new byte[] { 1, 2, 3 }, read);
            }
        }

        [Test]
        public void A_reconnect_that_is_refused_again_and_again_loses_the_session()
        {
            using (var server = new SnetServer(true))
            using (var stream = Connected(server, true))
            {
                server.Refuses = true;
                Assert.IsFalse(stream.TryReconn());
                Assert.AreEqual(5, server.Connections);
                var lost = Assert.Throws<IOException>(() => stream.Read(new byte[1], 0, 1));
                StringAssert.Contains("no session has this id", lost.Message);
                Assert.Throws<IOException>(() => stream.Write(new byte[1], 0, 1));
            }
        }

        [Test]
        public void A_server_that_is_gone_loses_the_session_when_its_time_is_over()
        {
            using (var stream = new SnetStream(1024, true) { ReconnectTimeout = 300 })
            {
                using (var server = new SnetServer(true))
                {
                    stream.Connect(Host, server.Port);
                }
                var lost = Assert.Throws<IOException>(() => stream.Read(new byte[1], 0, 1));
                StringAssert.Contains("without a connection for too long", lost.Message);
            }
        }

        [Test]
        public void Closing_wakes_a_reader()
        {
            using (var server = new SnetServer(true))
            using (var stream = Connected(server, true))
            {
                var reading = stream.BeginRead(new byte[1], 0, 1, null, null);
                stream.Close();
                Assert.IsTrue(reading.AsyncWaitHandle.WaitOne(Patience));
                Assert.Throws<ObjectDisposedException>(() => stream.EndRead(reading));
                Assert.Throws<ObjectDisposedException>(() => stream.Write(new byte[1], 0, 1));
                Assert.IsFalse(stream.TryReconn());
            }
        }

        [Test]
        public void A_server_that_says_nothing_is_given_up()
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            using (var stream = new SnetStream(1024, true) { ConnectTimeout = 200 })
            {
                Assert.Throws<EndOfStreamException>(
                    () => stream.Connect(Host, ((IPEndPoint)listener.LocalEndpoint).Port));
            }
            listener.Stop();
        }

        [Test]
        public void Nobody_there_is_said_by_the_call_that_ends()
        {
            using (var nobody = new DeadAddress())
            using (var stream = new SnetStream(1024, true))
            {
                var connecting = stream.BeginConnect(Host, nobody.Port, null, null);
                Assert.Throws<SocketException>(() => stream.EndConnect(connecting));
                Assert.Throws<InvalidOperationException>(() => stream.Read(new byte[1], 0, 1), "not connected");
            }
        }

        [Test]
        public void All_addresses_of_the_host_are_tried()
        {
            IPAddress[] addresses = { IPAddress.Parse("127.0.0.2"), IPAddress.Parse("127.0.0.3"), IPAddress.Loopback };
            using (var server = new SnetServer(true))
            using (var stream = new SnetStream(1024, true, host => addresses))
            {
                stream.Connect("somewhere", server.Port);
                server.Cut();
                Exchange(stream, 10, i => { });
                Assert.AreEqual(2, server.Connections);
            }
        }

        [Test]
        public void The_last_address_says_why_there_is_no_connection()
        {
            IPAddress[] addresses = { IPAddress.Parse("127.0.0.2"), IPAddress.Parse("127.0.0.3") };
            using (var server = new SnetServer(true))
            using (var stream = new SnetStream(1024, true, host => addresses))
            {
                var error = Assert.Throws<SocketException>(() => stream.Connect("somewhere", server.Port));
                Assert.AreEqual(SocketError.ConnectionRefused, error.SocketErrorCode);
            }
        }

        [Test]
        public void A_stream_that_keeps_nothing_carries_bytes_all_the_same()
        {
            using (var server = new SnetServer(true))
            using (var stream = new SnetStream(0, true))
            {
                stream.Connect(Host, server.Port);
                Exchange(stream, 10, i => { });
            }
        }

        private static SnetStream Connected(SnetServer server, bool encrypt)
        {
            var stream = new SnetStream(4096, encrypt);
            stream.Connect(Host, server.Port);
            return stream;
        }

        private static void Exchange(SnetStream stream, int rounds, Action<int> between)
        {
            for (var i = 0; i < rounds; i++)
            {
                var sent = Message(i, 100);
                stream.Write(sent, 0, sent.Length);
                between(i);
                var read = new byte[sent.Length];
                for (var at = 0; at < read.Length;)
                {
                    at += stream.Read(read, at, read.Length - at);
                }
                CollectionAssert.AreEqual(sent, read, "round {0}", i);
            }
        }

        private static byte[] Message(int seed, int count)
        {
            return new SeededRandom(seed).Draw(count);
        }
    }
}
