using System;
using System.Text;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>Connections through the real gateway, polled.</summary>
    [TestFixture]
    public class ConnectionTest : GatewayTest
    {
        private Gateway _gateway;
        private EndPoint _server;
        private EndPoint _client;

        [SetUp]
        public void Connect()
        {
            _gateway = StartGateway();
            _server = Server(_gateway, 7);
            _client = Client(_gateway);
        }

        [Test]
        public void Whole_arrays_parts_of_arrays_and_segments_are_sent()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            accepted.Received += (from, message) => Assert.IsTrue(from.Send(message), "what is lent can be sent");
            var bytes = Encoding.UTF8.GetBytes("<hello>");
            Assert.IsTrue(conn.Send(bytes));
            Assert.IsTrue(conn.Send(bytes, 1, 5));
            Assert.IsTrue(conn.Send(new ArraySegment<byte>(bytes, 1, 2)));
            Assert.AreEqual(SendStatus.Queued, conn.TrySend(bytes));
            Assert.IsTrue(conn.SendAsync(bytes).Result);
            foreach (var expected in new[] { "<hello>", "hello", "he", "<hello>", "<hello>" })
            {
                Assert.AreEqual(expected, Receive(conn));
            }
            Assert.Throws<ArgumentException>(() => conn.Send(bytes, 5, 5));
        }

        [Test]
        public void A_client_dials_a_server_and_they_talk()
        {
            var conn = _client.Dial(7);
            Send(conn, "before the answer");
            var accepted = Accept(_server);
            Assert.AreEqual("before the answer", Receive(accepted));
            Send(accepted, "hello");
            Assert.AreEqual("hello", Receive(conn));
            Assert.AreEqual(accepted.ID, conn.ID);
            Assert.AreEqual(7, conn.RemoteID);
        }

        [Test]
        public void A_server_dials_a_client()
        {
            _client.Dial(7);
            var first = Accept(_server);
            var dialed = _server.Dial(first.RemoteID);
            var accepted = Accept(_client);
            Assert.AreEqual(7, accepted.RemoteID);
            Send(dialed, "by the server");
            Assert.AreEqual("by the server", Receive(accepted));
        }

        [Test]
        public void Messages_of_any_size_come_back()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            foreach (var size in new[] { 0, 1, 64, 4096, 70000, (512 << 10) - 4 })
            {
                var message = new string('x', size);
                Send(conn, message);
                Assert.AreEqual(message, Receive(accepted));
                Send(accepted, message);
                Assert.AreEqual(message, Receive(conn));
            }
        }

        [Test]
        public void Ten_thousand_messages_come_in_order()
        {
            const int count = 10000;
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            int sent = 0, got = 0;
            Until("all have come", () =>
            {
                for (; sent < count && sent - got < 1000; sent++)
                {
                    if (conn.TrySend(Bytes(sent)) != SendStatus.Queued)
                    {
                        break;
                    }
                }
                ArraySegment<byte> message;
                while (accepted.TryReceive(out message))
                {
                    Assert.AreEqual(got++, BitConverter.ToInt32(message.Array, message.Offset));
                }
                return got == count;
            });
        }

        [Test]
        public void What_came_before_a_close_can_be_received_and_then_null()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            Send(accepted, "last words");
            accepted.Close();
            Until("the close comes", () => conn.CloseReason == CloseReason.Remote);
            Assert.AreEqual("last words", Receive(conn));
            Assert.IsNull(conn.Receive());
            Assert.IsFalse(conn.Send(new byte[1]));
            Assert.AreEqual(SendStatus.Closed, conn.TrySend(new ArraySegment<byte>(new byte[1])));
        }

        [Test]
        public void A_client_closes()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            Send(conn, "bye");
            conn.Close();
            Assert.AreEqual(CloseReason.Local, conn.CloseReason);
            Assert.IsNull(conn.Receive());
            Assert.AreEqual("bye", Receive(accepted));
            Until("the close comes", () => accepted.CloseReason == CloseReason.Remote);
        }

        [Test]
        public void Nothing_waits_and_that_is_said()
        {
            var conn = _client.Dial(7);
            Assert.AreSame(Conn.NoMsg, conn.Receive());
            Assert.IsNull(_client.Accept());
            Accept(_server);
            Assert.AreSame(Conn.NoMsg, conn.Receive());
        }

        [Test]
        public void A_dial_of_nobody_is_refused_and_the_link_goes_on()
        {
            var conn = _client.Dial(4711);
            Until("the refusal comes", () => conn.CloseReason != CloseReason.None);
            Assert.AreEqual(CloseReason.Refused, conn.CloseReason);
            Assert.IsNull(conn.Receive());
            Assert.IsFalse(conn.Send(new byte[1]));
            A_client_dials_a_server_and_they_talk();
        }

        [Test]
        public void Answers_find_their_dials_in_any_mixture()
        {
            var conns = new Conn[12];
            for (var at = 0; at < conns.Length; at++)
            {
                conns[at] = _client.Dial(at % 3 == 0 ? 4711U : 7U);
            }
            Until("all are answered", () => Array.TrueForAll(conns, conn => conn.IsOpen || conn.CloseReason != CloseReason.None));
            for (var at = 0; at < conns.Length; at++)
            {
                Assert.AreEqual(at % 3 == 0 ? CloseReason.Refused : CloseReason.None, conns[at].CloseReason);
            }
        }

        [Test]
        public void The_loss_of_the_other_link_closes_its_connections_and_no_more()
        {
            var conn = _client.Dial(7);
            Accept(_server);
            _server.Close();
            Until("the close comes", () => conn.CloseReason == CloseReason.Remote);
            Assert.IsTrue(_client.IsReady);
        }

        [Test]
        public void A_message_that_is_too_long_is_not_sent()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            Assert.Throws<MessageTooLongException>(() => conn.Send(new byte[(512 << 10) - 3]));
            Send(conn, "after it");
            Assert.AreEqual("after it", Receive(accepted));
        }

        [Test]
        public void Events_come_on_the_thread_that_polls_and_in_order()
        {
            var thread = System.Threading.Thread.CurrentThread;
            var story = new StringBuilder();
            Action<string> tell = what =>
            {
                Assert.AreSame(thread, System.Threading.Thread.CurrentThread);
                story.Append(what).Append(' ');
            };
            _server.Accepted += conn =>
            {
                conn.Received += (from, message) => from.TrySend(message);
                conn.Closed += from => tell("closed:" + from.CloseReason);
            };
            var dialed = _client.Dial(7);
            dialed.Opened += conn => tell("opened");
            dialed.Received += (conn, message) => tell("got" + message.Count);
            Send(dialed, "1");
            Send(dialed, "22");
            Until("the echo is back", () => story.ToString().Contains("got2"));
            dialed.Close();
            Until("the close is there", () => story.ToString().Contains("closed:Remote"));
            Assert.AreEqual("opened got1 got2 closed:Remote ", story.ToString());
        }

        [Test]
        public void A_handler_that_comes_late_gets_what_waits()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            Send(conn, "early");
            Until("it waits", () => _server.UnreadBytes > 0);
            var got = 0;
            accepted.Received += (from, message) => got += message.Count;
            Until("it is handed over", () => got == 5);
        }

        [Test]
        public void An_exception_of_a_handler_comes_through_and_loses_no_event()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            accepted.Received += (from, message) => { throw new InvalidOperationException("mine"); };
            var closed = false;
            accepted.Closed += from => closed = true;
            Send(conn, "x");
            Assert.Throws<InvalidOperationException>(() => Until("it throws", () => false));
            conn.Close();
            Until("the close is told", () => closed);
        }

        [Test]
        public void What_waits_behind_a_message_whose_handler_throws_comes_with_the_next_poll()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            Send(conn, "bad");
            Send(conn, "good");
            Until("both wait", () => _server.UnreadBytes > 2 * 8 + 6);
            var got = 0;
            accepted.Received += (from, message) =>
            {
                if (message.Count == 3)
                {
                    throw new InvalidOperationException("mine");
                }
                got += message.Count;
            };
            Assert.Throws<InvalidOperationException>(() => Until("it throws", () => false));
            Until("the other one comes", () => got == 4);
        }

        [Test]
        public void A_handler_can_follow_a_receive_that_was_awaited()
        {
            var conn = _client.Dial(7);
            var accepted = Accept(_server);
            var first = accepted.ReceiveAsync();
            Send(conn, "first");
            Until("the first comes", () => first.IsCompleted);
            var got = 0;
            accepted.Received += (from, message) => got += message.Count;
            Send(conn, "second");
            Until("the second comes", () => got == 6);
        }

        private static ArraySegment<byte> Bytes(int number)
        {
            return new ArraySegment<byte>(BitConverter.GetBytes(number));
        }
    }
}
