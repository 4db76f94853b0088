using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>How links begin and end.</summary>
    [TestFixture]
    public class LinkTest : GatewayTest
    {
        [Test]
        public void A_wrong_key_is_told()
        {
            var gateway = StartGateway();
            Assert.AreEqual(LostReason.WrongKey, EndOf(EndPoint.ConnectServer(gateway.Server, 1, "another key")));
        }

        [Test]
        public void A_server_at_the_client_port_is_told()
        {
            var gateway = StartGateway();
            var options = new EndPointOptions { ConnectTimeout = TimeSpan.FromMilliseconds(300) };
            Assert.AreEqual(
                LostReason.ConnectTimedOut, EndOf(EndPoint.ConnectServer(gateway.Client, 1, Gateway.Key, options)));
        }

        [Test]
        public void A_client_at_the_server_port_is_told()
        {
            var gateway = StartGateway();
            Assert.AreEqual(LostReason.NotAGateway, EndOf(EndPoint.ConnectClient(gateway.Server)));
        }

        [Test]
        public void Nobody_listens()
        {
            var nobody = Owned(new DeadAddress());
            Assert.AreEqual(LostReason.Unreachable, EndOf(EndPoint.ConnectClient(nobody.ToString())));
        }

        [Test]
        public void A_name_is_looked_up()
        {
            var gateway = StartGateway();
            var client = Polled(EndPoint.ConnectClient(gateway.Client.Replace("127.0.0.1", "localhost")));
            Until("the client is ready", () => client.IsReady);
        }

        [Test]
        public void A_name_that_nobody_has_is_told()
        {
            Assert.AreEqual(LostReason.Unreachable, EndOf(EndPoint.ConnectClient("nobody.invalid:1")));
        }

        [TestCase("127.0.0.1")]
        [TestCase("127.0.0.1:0")]
        [TestCase("127.0.0.1:70000")]
        [TestCase(":10010")]
        [TestCase(null)]
        public void What_is_no_address_is_a_fault_of_the_program(string address)
        {
            Assert.Throws<ArgumentException>(() => EndPoint.ConnectClient(address));
        }

        [Test]
        public void A_gateway_that_dies_ends_the_link_and_its_connections()
        {
            var gateway = StartGateway();
            Server(gateway, 1);
            var client = Client(gateway);
            var conn = client.Dial(1);
            LinkException lost = null;
            client.Lost += why => lost = why;
            gateway.Kill();
            Until("the loss is told", () => lost != null);
            Assert.AreEqual(LostReason.ClosedByGateway, lost.Reason);
            Assert.AreSame(lost, client.Failure);
            Assert.AreEqual(CloseReason.Link, conn.CloseReason);
            Assert.IsNull(client.Dial(1));
            Assert.IsFalse(conn.Send(new byte[1]));
        }

        /// <summary>Whoever hears of a connection's end can ask the link at once, on whichever thread.</summary>
        [Test]
        public void The_end_of_the_link_is_there_before_its_connections_tell_of_theirs()
        {
            var gateway = StartGateway();
            Server(gateway, 1);
            var client = Owned(EndPoint.ConnectClient(gateway.Client, new EndPointOptions { RunsItself = true }));
            var told = new ConcurrentQueue<LinkException>();
            var reading = new List<Thread>();
            for (var count = 0; count < 8; count++)
            {
                var conn = client.Dial(1);
                Until("it is open", () => conn.IsOpen);
                conn.Closed += ended => told.Enqueue(ended.EndPoint.Failure);
                reading.Add(new Thread(() =>
                {
                    while (conn.Receive() != null)
                    {
                    }
                    told.Enqueue(client.Failure);
                }));
            }
            reading.ForEach(thread => thread.Start());
            gateway.Kill();
            reading.ForEach(thread => thread.Join(Patience));
            Until("all are told", () => told.Count == 16);
            CollectionAssert.DoesNotContain(told, null);
            CollectionAssert.AllItemsAreInstancesOfType(told, typeof(LinkException));
        }

        [Test]
        public void Pings_outlive_the_idle_timeout_that_ends_a_link_without_them()
        {
            var gateway = StartGateway("--client-idle-timeout 2s");
            var options = new EndPointOptions { PingInterval = TimeSpan.FromMilliseconds(100), DeadAfterIntervals = 0 };
            var pinging = Client(gateway, options);
            var idle = Client(gateway, new EndPointOptions { PingInterval = TimeSpan.Zero });
            Until("the gateway ends one", () => idle.Failure != null);
            Assert.AreEqual(LostReason.ClosedByGateway, idle.Failure.Reason);
            var conn = pinging.Dial(4711);
            Until("the other one goes on", () => conn.CloseReason != CloseReason.None);
            Assert.AreEqual(CloseReason.Refused, conn.CloseReason);
        }

        [Test]
        public void A_gateway_that_falls_silent_is_given_up()
        {
            using (var silent = new SilentGateway())
            {
                var options = new EndPointOptions { PingInterval = TimeSpan.FromMilliseconds(50), DeadAfterIntervals = 3 };
                var client = Polled(EndPoint.ConnectClient(silent.Address, options));
                Until("the client is ready", () => client.IsReady);
                Until("it is given up", () => client.Failure != null);
                Assert.AreEqual(LostReason.Silent, client.Failure.Reason);
            }
        }

        [Test]
        public void A_shutdown_has_the_gateway_agree()
        {
            var gateway = StartGateway();
            var server = Server(gateway, 1);
            var client = Client(gateway);
            var conn = client.Dial(1);
            Send(conn, "the last message");
            var shutdown = client.ShutdownAsync();
            Until("it is shut down", () => shutdown.IsCompleted);
            Assert.IsTrue(shutdown.Result);
            Assert.AreEqual("the last message", Receive(Accept(server)));
        }

        [Test]
        public void A_newer_link_takes_the_place_of_a_server()
        {
            var gateway = StartGateway();
            var older = Server(gateway, 1);
            Server(gateway, 1);
            Until("the older one ends", () => older.Failure != null);
            Assert.AreEqual(LostReason.ClosedByGateway, older.Failure.Reason);
        }

        private LostReason EndOf(EndPoint endPoint)
        {
            LinkException lost = null;
            endPoint.Lost += why => lost = why;
            Polled(endPoint);
            Until("there is no link", () => lost != null);
            return lost.Reason;
        }
    }
}
