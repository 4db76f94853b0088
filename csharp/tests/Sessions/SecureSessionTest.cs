using System;
using System.Linq;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Secure;
using Fastway.Tests.Sessions.Acceptors;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    [TestFixture]
    public class SecureSessionTest
    {
        private const byte Overloaded = 7;

        private SeededRandom _random;
        private World _world;

        [SetUp]
        public void Establish()
        {
            _random = new SeededRandom(1);
            _world = World.Secure(_random, true);
            _world.Connect();
            _world.DeliverAll();
            _world.DeliverAll();
            Assert.IsTrue(_world.Initiator.IsLive);
            Assert.IsNotNull(_world.Acceptor.Established);
        }

        [Test]
        public void What_comes_again_by_a_newer_transport_is_taken_once_and_acknowledged_when_it_has_come()
        {
            var incoming = new Incoming();
            int fresh;
            incoming.Begin(0);
            Assert.IsTrue(incoming.Take(100, 0, out fresh));
            Assert.AreEqual(100, fresh);
            // The newer one was asked for when 40 bytes were there.
            incoming.Begin(40);
            Assert.IsFalse(incoming.OwesAck);
            Assert.IsTrue(incoming.Take(50, 0, out fresh));
            Assert.AreEqual(0, fresh);
            Assert.AreEqual(90, incoming.TakeAck());
            Assert.IsTrue(incoming.Take(30, 0, out fresh));
            Assert.AreEqual(20, fresh);
            Assert.AreEqual(120, incoming.Received);
            Assert.IsTrue(incoming.Close(0));
            incoming.Begin(110);
            Assert.IsTrue(incoming.Take(10, 0, out fresh));
            Assert.AreEqual(0, fresh);
            Assert.IsTrue(incoming.Close(0));
            Assert.AreEqual(121, incoming.TakeAck());
            Assert.IsFalse(incoming.Close(0));
            Assert.IsFalse(incoming.Take(1, 0, out fresh));
        }

        [Test]
        public void The_gateway_of_another_key_is_not_believed()
        {
            var session = Session.Secure(X25519.PublicKey(_random.Draw(32)), World.ReplayBytes, 1000, 0, _random);
            var acceptor = new SecureAcceptor(_random.Draw(32), _random, World.WaitSeconds);
            var cable = new Cable();
            acceptor.Receive(cable, session.ConnectBytes(0));
            Assert.AreEqual(Fault.Refused, Answer(session, cable));
            Assert.IsNull(acceptor.Established);
        }

        [Test]
        public void A_reply_with_a_key_that_makes_a_known_secret_is_not_authentic()
        {
            var session = Session.Secure(null, World.ReplayBytes, 1000, 0, _random);
            session.ConnectBytes(0);
            var reply = new byte[Messages.ReplyHeadBytes + 100];
            LittleEndian.Write((ushort)100, reply, 1);
            Fault fault;
            session.ReceiveAll(reply, 0, out fault);
            Assert.AreEqual(Fault.NotAuthentic, fault);
            Assert.IsNull(session.End);
        }

        [Test]
        public void A_pinned_key_that_makes_a_known_secret_is_the_owners_fault()
        {
            var session = Session.Secure(new byte[32], World.ReplayBytes, 1000, 0, _random);
            Assert.Throws<InvalidOperationException>(() => session.Connect(0));
            Assert.Throws<ArgumentException>(() => Session.Secure(new byte[31], World.ReplayBytes, 1000, 0, _random));
        }

        [Test]
        public void One_forged_refusal_ends_nothing_and_four_in_a_row_do()
        {
            for (var i = 1; i <= 4; i++)
            {
                Assert.IsNull(_world.Initiator.End);
                _world.Connect().Reply(new byte[] { Status.Unknown });
                _world.DeliverToInitiator(_world.Cables.Last(), 1);
            }
            Assert.AreEqual(SessionEndKind.Refused, _world.Initiator.End.Kind);
            Assert.AreEqual(Status.Unknown, _world.Initiator.End.Code);
            Assert.Throws<InvalidOperationException>(() => _world.Initiator.Connect(0));
        }

        [Test]
        public void An_answer_in_between_forgets_refusals()
        {
            for (var i = 0; i < 10; i++)
            {
                _world.Connect().Reply(new byte[] { Status.Unknown });
                _world.DeliverToInitiator(_world.Cables.Last(), 1);
                _world.Connect();
                _world.DeliverAll();
                Assert.IsTrue(_world.Initiator.IsLive);
            }
            _world.Settle();
        }

        [TestCase(Overloaded)]
        [TestCase(Status.StaleAttempt)]
        [TestCase((byte)99)]
        public void Refusals_that_say_try_again_are_never_believed_for_good(byte status)
        {
            for (var i = 0; i < 20; i++)
            {
                _world.Connect().Reply(new[] { status });
                _world.DeliverToInitiator(_world.Cables.Last(), 1);
            }
            Assert.IsNull(_world.Initiator.End);
            _world.Settle();
        }

        [Test]
        public void A_flipped_bit_ends_the_transport_and_not_the_session()
        {
            _world.WriteAtAcceptor(100);
            _world.Flush(1000);
            var cable = _world.Cables.Last();
            var bytes = Cable.Take(cable.ToInitiator, int.MaxValue);
            bytes[50] ^= 1;
            cable.Reply(bytes);
            _world.DeliverToInitiator(cable, int.MaxValue);
            Assert.AreEqual(SessionEventKind.Interrupted, _world.Events.Last().Kind);
            Assert.IsNull(_world.Initiator.End);
            _world.Settle();
        }

        [Test]
        public void A_length_that_no_record_has_ends_the_transport()
        {
            foreach (ushort length in new ushort[] { 0, 16, 16385, ushort.MaxValue })
            {
                var cable = _world.Cables.Last();
                cable.Reply(new[] { (byte)length, (byte)(length >> 8) });
                _world.DeliverToInitiator(cable, int.MaxValue);
                Assert.IsFalse(_world.Initiator.IsLive);
                _world.Connect();
                _world.DeliverAll();
                Assert.IsTrue(_world.Initiator.IsLive);
            }
        }

        [Test]
        public void What_was_not_sent_cannot_be_acknowledged()
        {
            var session = Acknowledged(1);
            Assert.AreEqual(SessionEndKind.PeerFault, session.End.Kind);
            StringAssert.Contains("counts 1 bytes", session.End.ToString());
            Assert.IsTrue(session.HasOutput(0), "it tells the other end");
            Assert.AreEqual(Record.DataOverhead + 1, session.SendAll(0).Length);
            Assert.IsFalse(session.HasOutput(0));
        }

        [TestCase("00")]
        [TestCase("0004")]
        [TestCase("01")]
        [TestCase("0002")]
        public void An_authentic_record_that_makes_no_sense_ends_the_session(string plaintext)
        {
            var session = Told(Hex.Decode(plaintext));
            Assert.AreEqual(SessionEndKind.PeerFault, session.End.Kind);
            StringAssert.Contains("makes no sense", session.End.ToString());
        }

        [TestCase("02")]
        [TestCase("6100")]
        [TestCase("61000000000000000001")]
        public void Nothing_follows_a_close_of_the_gateway(string plaintext)
        {
            var session = Told(Hex.Decode("02"), Hex.Decode(plaintext));
            Assert.AreEqual(SessionEndKind.PeerFault, session.End.Kind);
            StringAssert.Contains("follows its close", session.End.ToString());
        }

        [Test]
        public void A_data_gap_in_a_reply_ends_the_session()
        {
            var acceptor = (SecureAcceptorSession)_world.Acceptor.Established;
            acceptor.Read.Add(0);
            var events = _world.Events.Count;
            _world.Connect();
            _world.DeliverAll();
            Assert.AreEqual(SessionEndKind.Refused, _world.Initiator.End.Kind);
            Assert.AreEqual(Status.DataGap, _world.Initiator.End.Code);
            Assert.Greater(_world.Events.Count, events);
        }

        [Test]
        public void An_abort_is_the_last_that_is_sent()
        {
            _world.Initiator.Abort(AbortReason.Unspecified);
            Assert.AreEqual(SessionEndKind.Aborted, _world.Initiator.End.Kind);
            Assert.AreEqual(Record.DataOverhead + 1, _world.Initiator.SendAll(0).Length);
            Assert.IsFalse(_world.Initiator.IsLive);
            Assert.AreEqual(Fault.Over, Receive(_world.Initiator, new byte[1]));
        }

        [Test]
        public void A_session_that_is_over_waits_for_nothing()
        {
            _world.WriteAtAcceptor(10);
            _world.DeliverAll();
            _world.Initiator.Abort(AbortReason.Unspecified);
            Assert.AreEqual(Lifecycle.Never, _world.Initiator.Timeout);
            _world.Initiator.TransportLost(_world.Now);
            Assert.AreEqual(Lifecycle.Never, _world.Initiator.Timeout);
        }

        [Test]
        public void A_full_buffer_takes_nothing_until_it_is_acknowledged()
        {
            _world.Write(World.ReplayBytes);
            Assert.AreEqual(0, _world.Initiator.Room);
            Assert.AreEqual(0, _world.Initiator.Write(new byte[1], 0, 1));
            _world.DeliverAll();
            _world.DeliverAll();
            Assert.AreEqual(World.ReplayBytes, _world.Initiator.Room);
        }

        [Test]
        public void A_session_that_waits_too_long_expires()
        {
            _world.Cut(_world.Cables.Last(), true);
            Assert.AreEqual(_world.Now + 1000 * World.WaitSeconds, _world.Initiator.Timeout);
            _world.Pass(1000 * World.WaitSeconds - 1);
            Assert.IsNull(_world.Initiator.End);
            _world.Pass(1);
            Assert.AreEqual(SessionEndKind.Expired, _world.Initiator.End.Kind);
            Assert.AreEqual(0, _world.Initiator.Write(new byte[1], 0, 1));
        }

        [Test]
        public void An_acknowledgement_waits_for_company_for_a_tenth_of_a_second()
        {
            _world.WriteAtAcceptor(10);
            _world.DeliverAll();
            Assert.IsFalse(_world.Initiator.HasOutput(_world.Now));
            Assert.AreEqual(_world.Now + 100, _world.Initiator.Timeout);
            Assert.IsTrue(_world.Initiator.HasOutput(_world.Now + 100));
            _world.WriteAtAcceptor(16 * 1024);
            _world.Flush(int.MaxValue);
            _world.DeliverToInitiator(_world.Cables.Last(), int.MaxValue);
            Assert.IsTrue(_world.Initiator.HasOutput(_world.Now), "so much is acknowledged at once");
        }

        [Test]
        public void Nothing_is_written_behind_a_close()
        {
            _world.Initiator.Close();
            Assert.Throws<InvalidOperationException>(() => _world.Initiator.Write(new byte[1], 0, 1));
            _world.WriteAtAcceptor(100);
            _world.DeliverAll();
            Assert.AreEqual(100, _world.Read, "the other direction goes on");
            _world.Settle();
        }

        [Test]
        public void Sealing_allocates_nothing_in_steady_state()
        {
            var message = new byte[50];
            var sending = new byte[2 * Session.MinSendBytes];
            // The replay buffer grows to its bound first.
            _world.Write(World.ReplayBytes);
            _world.DeliverAll();
            _world.DeliverAll();
            SendMany(message, sending, 10);
            var before = GC.GetAllocatedBytesForCurrentThread();
            SendMany(message, sending, 1000);
            Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
        }

        private void SendMany(byte[] message, byte[] sending, int times)
        {
            for (var i = 0; i < times; i++)
            {
                var written = _world.Initiator.Write(message, 0, message.Length);
                var sent = _world.Initiator.Send(sending, 0, sending.Length, _world.Now);
                if (written != message.Length || sent != message.Length + Record.DataOverhead)
                {
                    Assert.Fail("{0} bytes were written and {1} sent.", written, sent);
                }
            }
        }

        /// <summary>A session whose first acknowledgement counts so many bytes.</summary>
        private Session Acknowledged(ulong count)
        {
            var plaintext = new byte[Record.AckOverhead];
            var bytes = new Record { Kind = RecordKind.Ack, Received = count }.WriteTrailer(plaintext, 0);
            return Told(Bytes.Slice(plaintext, 0, bytes));
        }

        /// <summary>A session whose gateway says this, and is authentic.</summary>
        private Session Told(params byte[][] plaintexts)
        {
            var session = Session.Secure(null, World.ReplayBytes, 1000, 0, _random);
            var hello = Hello.Read(session.ConnectBytes(0));
            var responder = new Responder(null, null, Messages.Prologue(hello.Head), _random.Draw(32));
            responder.Read(hello.Message);
            var message = responder.Write(new byte[Ticket.TotalBytes + 4]);
            var head = new byte[] { 0, (byte)message.Length, 0 };
            session.ReceiveAll(Bytes.Concat(head, message), 0);
            session.SendAll(0);
            var cipher = new RecordCipher(responder.Split()[1]);
            foreach (var plaintext in plaintexts)
            {
                var record = Bytes.Concat(new byte[Record.LenBytes], plaintext, new byte[ChaChaPoly.TagBytes]);
                cipher.Seal(record, 0, plaintext.Length);
                Receive(session, record);
            }
            return session;
        }

        private static Fault Receive(Session session, byte[] bytes)
        {
            Fault fault;
            session.ReceiveAll(bytes, 0, out fault);
            return fault;
        }

        private static Fault Answer(Session session, Cable cable)
        {
            return Receive(session, Cable.Take(cable.ToInitiator, int.MaxValue));
        }
    }
}
