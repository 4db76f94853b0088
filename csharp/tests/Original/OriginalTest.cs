using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Original
{
    /// <summary>The original's API, by a program for it and in its corners.</summary>
    [TestFixture]
    public class OriginalTest : GatewayTest
    {
        [Test]
        public void A_program_for_the_original_runs(
            [Values(LinkKind.Plain, LinkKind.Legacy, LinkKind.LegacyEncrypted)] string kind)
        {
            var gateway = StartGateway(LinkKind.Flags(kind));
            Server(gateway, 10086, new EndPointOptions { Session = LinkKind.Options(kind) }).Accepted +=
                conn => conn.Received += (from, message) => from.TrySend(message);
            var arguments = gateway.Client.Replace(':', ' ') + " 10086 " + (kind == LinkKind.Plain ? "" : kind);
            var program = Owned(MonoProgram.Run("fastway-original.exe", arguments));
            var output = program.Output.ReadToEndAsync();
            Until("the program ends", () => output.IsCompleted);
            Assert.AreEqual("conn True to 10086: 200 messages, 0 timeouts\n", output.Result);
            Assert.AreEqual(0, program.Wait(Patience));
        }

        [Test]
        public void A_callback_that_returns_true_is_asked_again_and_the_link_goes_on()
        {
            using (var gateway = new PingCounter())
            {
                var asked = 0;
                var end = Owned(Over(gateway.Address, 20, 20, () => Interlocked.Increment(ref asked) > 0));
                Until("the gateway has answered", () => end.IsReady);
                gateway.FallSilent();
                Until("it is asked three times", () => Volatile.Read(ref asked) >= 3);
                Assert.IsNull(end.Failure);
                Assert.Greater(gateway.Pings, 3);
            }
        }

        [Test]
        public void A_callback_that_returns_false_closes_the_end_point()
        {
            using (var gateway = new PingCounter())
            {
                var asked = 0;
                var end = Owned(Over(gateway.Address, 20, 20, () => Interlocked.Increment(ref asked) < 0));
                var conn = end.Dial(1);
                Until("the gateway has answered", () => end.IsReady);
                gateway.FallSilent();
                Until("it is closed", () => end.Failure != null);
                Assert.AreEqual(1, asked);
                Assert.AreEqual(LostReason.Silent, end.Failure.Reason);
                Assert.IsNull(end.Dial(1));
                Assert.IsNull(conn.Receive());
            }
        }

        [Test]
        public void Without_a_callback_a_ping_that_is_not_answered_in_time_closes_the_end_point()
        {
            using (var gateway = new PingCounter())
            {
                var end = Owned(Over(gateway.Address, 200, 20, null));
                Until("the gateway has answered", () => end.IsReady);
                gateway.FallSilent();
                Until("it is closed", () => end.Failure != null);
                Assert.AreEqual(LostReason.Silent, end.Failure.Reason);
            }
        }

        [Test]
        public void A_gateway_that_never_answers_is_told_to_the_callback()
        {
            using (var gateway = new PingCounter(true))
            {
                var asked = 0;
                var end = Owned(Over(gateway.Address, 20, 20, () => Interlocked.Increment(ref asked) < 2));
                Until("it is closed", () => end.Failure != null);
                Assert.AreEqual(2, asked);
                Assert.AreEqual(LostReason.Silent, end.Failure.Reason);
            }
        }

        [Test]
        public void A_callback_that_takes_its_time_does_not_hold_up_the_end_point()
        {
            using (var gateway = new PingCounter())
            using (var mayReturn = new ManualResetEvent(false))
            {
                var asked = 0;
                var end = Owned(Over(gateway.Address, 20, 20, () =>
                {
                    Interlocked.Increment(ref asked);
                    return mayReturn.WaitOne(Patience);
                }));
                Until("the gateway has answered", () => end.IsReady);
                gateway.FallSilent();
                Until("it is asked", () => Volatile.Read(ref asked) == 1);
                end.Close();
                Assert.AreEqual(LostReason.Closed, end.Failure.Reason);
                mayReturn.Set();
            }
        }

        [Test]
        public void An_interval_without_a_timeout_is_a_fault_of_the_program()
        {
            Assert.Throws<ArgumentException>(() => new EndPoint(Stream.Null, 1000, 0, () => true));
            using (var gateway = new PingCounter())
            {
                var end = Owned(Over(gateway.Address, 0, 0, () => false));
                Until("the gateway has answered", () => end.IsReady);
                Assert.IsNull(end.Failure);
            }
        }

        [Test]
        public void Stopped_pings_stay_away_until_they_are_started()
        {
            using (var stopped = new PingCounter())
            using (var running = new PingCounter())
            {
                var end = Owned(Over(stopped.Address, 20, Patience, null));
                Owned(Over(running.Address, 20, Patience, null));
                Until("both ping", () => stopped.Pings > 1 && running.Pings > 1);
                end.StopKeepAliveTimer();
                var before = stopped.Pings;
                var until = running.Pings + 20;
                Until("the other one pings", () => running.Pings >= until);
                Assert.LessOrEqual(stopped.Pings, before + 1, "one may have been on its way");
                end.StartKeepAliveTimer();
                Until("it pings again", () => stopped.Pings > before + 1);
            }
        }

        [Test]
        public void The_time_of_the_last_message_is_kept()
        {
            using (var gateway = new PingCounter())
            {
                var before = DateTime.Now.AddSeconds(-1);
                var end = Owned(Over(gateway.Address, 20, Patience, null));
                Until("the gateway has answered", () => end.IsReady);
                var first = end.LastActive;
                Assert.That(first, Is.InRange(before, DateTime.Now.AddSeconds(1)));
                Until("it has answered again", () => end.LastActive > first);
                gateway.FallSilent();
            }
            using (var gateway = new PingCounter(true))
            {
                Assert.AreEqual(default(DateTime), Owned(Over(gateway.Address, 20, Patience, null)).LastActive);
            }
        }

        [Test]
        public void A_connection_that_a_program_makes_sends_under_its_number()
        {
            var gateway = StartGateway();
            var server = Server(gateway, 1);
            var client = Client(gateway);
            var conn = client.Dial(1);
            var accepted = Accept(server);
            Until("it is open", () => conn.IsOpen);
            var second = new Conn(client, conn.ID, conn.RemoteID);
            Assert.AreEqual(conn.ID, second.ID);
            Assert.AreEqual(1, second.RemoteID);
            Send(second, "from a second hand");
            Assert.AreEqual("from a second hand", Receive(accepted));
            Assert.AreSame(Conn.NoMsg, second.Receive());
            second.Close();
            Assert.IsNull(second.Receive());
            Until("both ends hear of it", () => accepted.CloseReason == CloseReason.Remote && !conn.IsOpen);
        }

        [Test]
        public void A_connection_that_a_program_makes_ends_with_the_link()
        {
            var gateway = StartGateway();
            var client = Client(gateway);
            var numbered = new Conn(client, 4711, 1);
            var unnumbered = new Conn(client, 0, 1);
            Assert.IsTrue(unnumbered.Send(new byte[1]), "as in the original, though it goes nowhere");
            client.Close();
            Assert.IsFalse(numbered.Send(new byte[1]));
            Assert.IsFalse(unnumbered.Send(new byte[1]));
            Assert.IsNull(numbered.Receive());
            Assert.AreEqual(CloseReason.Link, new Conn(client, 4711, 1).CloseReason);
        }

        [Test]
        public void A_stream_that_ends_ends_the_link()
        {
            var gateway = StartGateway();
            var end = Owned(new EndPoint(Connect(gateway.Client)));
            Until("it is ready", () => end.IsReady);
            gateway.Kill();
            Until("it ends", () => end.Failure != null);
            Assert.IsNull(end.Dial(1));
        }

        [Test]
        public void A_server_can_be_opened_over_a_stream()
        {
            var gateway = StartGateway();
            var server = Polled(EndPoint.OpenServer(Connect(gateway.Server), 5, Gateway.Key));
            Until("the server is ready", () => server.IsReady);
            Send(Client(gateway).Dial(5), "hello");
            Assert.AreEqual("hello", Receive(Accept(server)));
        }

        private static EndPoint Over(string address, double interval, double timeout, PingTimeoutAction callback)
        {
            return new EndPoint(Connect(address), interval, timeout, callback);
        }

        private static NetworkStream Connect(string address)
        {
            var parts = address.Split(':');
            return new TcpClient(parts[0], int.Parse(parts[1])).GetStream();
        }
    }
}
