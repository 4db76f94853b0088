using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>What happens when more comes than is received, or more is sent than goes out.</summary>
    [TestFixture]
    public class BackPressureTest : GatewayTest
    {
        private Gateway _gateway;

        [SetUp]
        public void Start()
        {
            _gateway = StartGateway();
        }

        [Test]
        public void A_full_queue_holds_the_link_and_loses_nothing()
        {
            var server = Server(_gateway, 1);
            var client = Client(_gateway, new EndPointOptions { ReceiveMessages = 10 });
            var conn = client.Dial(1);
            var from = Accept(server);
            var echo = client.Dial(1);
            Accept(server);
            for (var number = 0; number < 100; number++)
            {
                Send(from, number.ToString());
            }
            Until("the link is held", () => client.UnreadBytes > 0 && HasSettled(client));
            Assert.Less(client.UnreadBytes, 11 * 20);
            for (var number = 0; number < 100; number++)
            {
                Assert.AreEqual(number.ToString(), Receive(conn));
            }
            Assert.IsTrue(echo.IsOpen);
        }

        /// <summary>An acknowledgement for what the player has sent stands behind all that comes in.</summary>
        [Test]
        public void A_burst_that_is_larger_than_all_buffers_is_echoed_over_a_session()
        {
            const int count = 2000;
            var gateway = StartGateway("--client-link=secure", "--server-link=secure", "--client-send-bytes=3M", "--client-slow-grace=1h");
            var options = new EndPointOptions { Session = SessionOptions.Secure(null), WhenFull = WhenFull.Hold };
            var server = Server(gateway, 1, options);
            var client = Client(gateway, options);
            var echo = client.Dial(1);
            var from = Accept(server);
            var sent = 0;
            Until("all was sent", () =>
            {
                while (sent < count && from.Send(new byte[16 << 10]))
                {
                    sent++;
                }
                return sent == count;
            });
            var message = Conn.NoMsg;
            var back = 0;
            Until("all came back", () =>
            {
                while (message != Conn.NoMsg || (message = echo.Receive()) != Conn.NoMsg)
                {
                    if (!echo.Send(message))
                    {
                        break;
                    }
                    message = Conn.NoMsg;
                }
                while (from.Receive() != Conn.NoMsg)
                {
                    back++;
                }
                return back == count;
            });
        }

        /// <summary>The budget itself is over after one read, which is 16 KiB.</summary>
        [Test]
        public void A_poll_after_a_long_pause_reads_for_longer_than_the_budget()
        {
            var server = Server(_gateway, 1);
            var client = Client(_gateway, new EndPointOptions { PollBudget = TimeSpan.FromTicks(1) });
            var conn = client.Dial(1);
            var from = Accept(server);
            Send(from, "the link is up");
            Assert.AreEqual("the link is up", Receive(conn));
            for (var count = 0; count < 500; count++)
            {
                Assert.IsTrue(from.Send(new byte[1000]));
            }
            var sent = server.ShutdownAsync();
            var pause = Stopwatch.StartNew();
            while (!sent.IsCompleted || pause.ElapsedMilliseconds < 500)
            {
                server.Poll();
                Thread.Sleep(1);
            }
            client.Poll();
            Assert.Greater(client.UnreadBytes, 2 * (16 << 10));
        }

        [Test]
        public void A_poll_whose_handlers_take_all_is_not_over_when_the_queue_was_full_once()
        {
            const int count = 100;
            var server = Server(_gateway, 1);
            var client = Client(_gateway, new EndPointOptions { ReceiveMessages = 10, PollBudget = TimeSpan.FromSeconds(10) });
            var conn = client.Dial(1);
            var got = 0;
            conn.Received += (from, message) => got++;
            var sender = Accept(server);
            Until("it is open", () => conn.IsOpen);
            for (var sent = 0; sent < count; sent++)
            {
                Assert.IsTrue(sender.Send(new byte[10]));
            }
            var all = server.ShutdownAsync();
            var polls = 0;
            while (got < count && polls < count)
            {
                server.Poll();
                if (all.IsCompleted)
                {
                    client.Poll();
                    polls++;
                }
                Thread.Sleep(1);
            }
            Assert.AreEqual(count, got);
            Assert.Less(polls, count / 10, "ten of them wait at a time");
        }

        [Test]
        public void A_full_queue_closes_its_connection_where_that_is_the_policy()
        {
            var options = new EndPointOptions { ReceiveMessages = 10, WhenFull = WhenFull.Close };
            var server = Server(_gateway, 1);
            var client = Client(_gateway, options);
            var conn = client.Dial(1);
            var from = Accept(server);
            for (var number = 0; number < 20; number++)
            {
                Send(from, number.ToString());
            }
            Until("it is closed", () => conn.CloseReason != CloseReason.None);
            Assert.AreEqual(CloseReason.QueueFull, conn.CloseReason);
            for (var number = 0; number < 10; number++)
            {
                Assert.AreEqual(number.ToString(), Receive(conn));
            }
            Assert.IsNull(conn.Receive());
            Until("the other end hears of it", () => from.CloseReason == CloseReason.Remote);
        }

        [Test]
        public void What_waits_on_all_connections_together_is_bounded()
        {
            var server = Server(_gateway, 1);
            var client = Client(_gateway, new EndPointOptions { ReceiveTotalBytes = 10000, WhenFull = WhenFull.Close });
            var little = client.Dial(1);
            var toLittle = Accept(server);
            var much = client.Dial(1);
            var toMuch = Accept(server);
            Assert.IsTrue(toLittle.Send(new byte[1000]));
            for (var count = 0; count < 10; count++)
            {
                Assert.IsTrue(toMuch.Send(new byte[1000]));
            }
            Until("the largest is closed", () => much.CloseReason == CloseReason.QueueFull);
            Assert.IsTrue(little.IsOpen);
            Assert.IsNull(much.Receive());
        }

        [Test]
        public void Connections_that_nobody_accepts_are_bounded()
        {
            var server = Server(_gateway, 1, new EndPointOptions { PendingAccepts = 2 });
            var client = Client(_gateway);
            var conns = new[] { client.Dial(1), client.Dial(1), client.Dial(1) };
            Until("the third is closed", () => conns[2].CloseReason == CloseReason.Remote);
            Assert.IsTrue(conns[0].IsOpen && conns[1].IsOpen);
            Assert.IsNotNull(server.Accept());
        }

        [Test]
        public void A_send_beyond_the_buffer_is_not_taken_and_goes_through_later()
        {
            var server = Server(_gateway, 1);
            var client = Client(_gateway, new EndPointOptions { SendBufferBytes = 1000 });
            var conn = client.Dial(1);
            var message = new ArraySegment<byte>(new byte[600]);
            Assert.AreEqual(SendStatus.Queued, conn.TrySend(message));
            Assert.AreEqual(SendStatus.HeldUp, conn.TrySend(message), "the dial was not answered yet");
            var second = conn.SendAsync(message);
            var third = conn.SendAsync(message);
            Assert.IsFalse(second.IsCompleted);
            Until("both were taken", () => second.IsCompleted && third.IsCompleted);
            Assert.IsTrue(second.Result && third.Result);
            var accepted = Accept(server);
            for (var count = 0; count < 3; count++)
            {
                Assert.AreEqual(600, Receive(accepted).Length);
            }
        }

        [Test]
        public void A_send_waits_where_the_end_point_runs_itself()
        {
            const int count = 2000;
            var server = Server(_gateway, 1, new EndPointOptions { WhenFull = WhenFull.Hold });
            var options = new EndPointOptions { SendBufferBytes = 10000, RunsItself = true };
            var conn = Owned(EndPoint.ConnectClient(_gateway.Client, options)).Dial(1);
            // Before, a full queue closes the connection.
            var accepted = Accept(server);
            var sending = Task.Run(() =>
            {
                for (var sent = 0; sent < count; sent++)
                {
                    Assert.IsTrue(conn.Send(new byte[1000]));
                }
            });
            for (var got = 0; got < count; got++)
            {
                Assert.AreEqual(1000, Receive(accepted).Length);
            }
            Assert.IsTrue(sending.Wait(Patience));
        }

        /// <summary>For a while nothing more is read.</summary>
        private bool HasSettled(EndPoint endPoint)
        {
            var before = endPoint.UnreadBytes;
            var until = DateTime.UtcNow.AddMilliseconds(100);
            while (DateTime.UtcNow < until)
            {
                PollAll();
            }
            return endPoint.UnreadBytes == before;
        }
    }
}
