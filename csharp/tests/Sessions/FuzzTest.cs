using System;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Secure;
using Fastway.Tests.Sessions.Acceptors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>100,000 inputs of a gateway that is broken or hostile. Each ends in a fault or an end that has a name, or in
    /// nothing at all: never in an exception.</summary>
    [TestFixture]
    [Category("Computes")]
    public class FuzzTest
    {
        private const int LegacyInputs = 50000;
        private const int ReplyInputs = 6000;
        private const int RecordInputs = 14000;
        private const int PlaintextInputs = 30000;

        [Test]
        public void Legacy_sessions_bear_any_answer()
        {
            Session session = null;
            LegacyAcceptor acceptor = null;
            Run(LegacyInputs, random =>
            {
                if (session == null || session.End != null)
                {
                    session = Session.Legacy(random.Below(2) == 0, 1024, 1000, 0, random);
                    acceptor = new LegacyAcceptor(random.Below(2) == 0, random);
                }
                var cable = new Cable();
                acceptor.Receive(cable, session.ConnectBytes(0));
                var answer = Cable.Take(cable.ToInitiator, int.MaxValue);
                Feed(session, random.Below(10) == 0 ? answer : Mutated(answer, random), random);
            });
        }

        [Test]
        public void Secure_sessions_bear_any_answer()
        {
            Session session = null;
            byte[] valid = null;
            Run(ReplyInputs, random =>
            {
                if (session == null || session.End != null)
                {
                    session = Session.Secure(null, 0, 1000, 0, random);
                }
                var cable = new Cable();
                var hello = session.ConnectBytes(0);
                if (valid == null || random.Below(8) == 0)
                {
                    new SecureAcceptor(null, random, 1).Receive(cable, hello);
                    valid = Cable.Take(cable.ToInitiator, int.MaxValue);
                }
                Feed(session, Mutated(valid, random), random);
            });
        }

        /// <summary>What is authentic and makes no sense, and what is not authentic.</summary>
        [Test]
        public void Secure_sessions_bear_any_record()
        {
            World world = null;
            RecordCipher sealing = null;
            Run(RecordInputs, random =>
            {
                if (world == null || !world.Initiator.IsLive || world.Initiator.End != null)
                {
                    world = null;
                    sealing = null;
                }
                world = world ?? Live(random, out sealing);
                var plaintext = random.Below(10) == 0 ? random.Draw(random.Below(40)) : Sensible(random);
                var record = new byte[plaintext.Length + Record.LenBytes + ChaChaPoly.TagBytes];
                plaintext.CopyTo(record, Record.LenBytes);
                sealing.Seal(record, 0, plaintext.Length);
                Feed(world.Initiator, random.Below(50) == 0 ? Mutated(record, random) : record, random);
            });
        }

        [Test]
        public void Plaintexts_bear_anything()
        {
            Run(PlaintextInputs, random =>
            {
                var plaintext = random.Draw(random.Below(20));
                Record record;
                if (Record.TryRead(plaintext, 0, plaintext.Length, out record))
                {
                    Assert.LessOrEqual(record.StreamBytes, plaintext.Length - 1);
                }
            });
        }

        private static void Run(int inputs, Action<SeededRandom> check)
        {
            for (var seed = 1; seed <= inputs; seed++)
            {
                try
                {
                    check(new SeededRandom(seed));
                }
                catch (Exception exception)
                {
                    throw new AssertionException("Seed " + seed + ": " + exception, exception);
                }
            }
        }

        /// <summary>A session whose next records the caller seals.</summary>
        private static World Live(SeededRandom random, out RecordCipher sealing)
        {
            var world = World.Secure(random, false);
            world.Connect();
            world.DeliverAll();
            sealing = ((SecureAcceptorSession)world.Acceptor.Sessions[0]).Sealing;
            return world;
        }

        private static byte[] Sensible(SeededRandom random)
        {
            var record = new Record { Kind = (RecordKind)random.Below(random.Below(20) == 0 ? 5 : 2) };
            record.StreamBytes = record.Kind <= RecordKind.Ack ? random.Below(30) : 0;
            record.Received = random.Below(20) == 0 ? (ulong)random.Below(9) << random.Below(60) : 0;
            var bytes = new byte[record.StreamBytes + Record.AckOverhead];
            return Bytes.Slice(bytes, 0, record.StreamBytes + record.WriteTrailer(bytes, record.StreamBytes));
        }

        private static byte[] Mutated(byte[] valid, SeededRandom random)
        {
            switch (random.Below(4))
            {
                case 0:
                    return random.Draw(random.Below(200));
                case 1:
                    return Bytes.Slice(valid, 0, random.Below(valid.Length + 1));
                case 2:
                    return Bytes.Concat(valid, random.Draw(random.Below(100)));
                default:
                    var flipped = (byte[])valid.Clone();
                    for (var flips = random.Below(4); flips >= 0 && flipped.Length > 0; flips--)
                    {
                        flipped[random.Below(flipped.Length)] ^= (byte)(1 << random.Below(8));
                    }
                    return flipped;
            }
        }

        /// <summary>In pieces, with what an owner does in between.</summary>
        private static void Feed(Session session, byte[] bytes, SeededRandom random)
        {
            var fault = Fault.None;
            for (var at = 0; at < bytes.Length && fault == Fault.None;)
            {
                var piece = Bytes.Slice(bytes, at, 1 + random.Below(bytes.Length - at));
                at += piece.Length;
                session.ReceiveAll(piece, 0, out fault);
                Assert.Greater(session.ReceiveSpace().Count, 0);
            }
            session.SendAll(1000);
            session.Tick(0);
            SessionEvent ignored;
            while (session.PollEvent(out ignored))
            {
            }
            Assert.IsTrue(fault != Fault.Over || session.End != null);
        }
    }
}
