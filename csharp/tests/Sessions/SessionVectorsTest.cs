using System;
using Fastway.Sessions;
using Fastway.Sessions.Secure;
using Fastway.Tests.Sessions.Acceptors;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>The vectors of sessions that all languages share.</summary>
    [TestFixture]
    public class SessionVectorsTest
    {
        private const int ReplayBytes = 64 * 1024;
        private const long Patience = 60000;

        [Test]
        public void Secure_transports_are_byte_by_byte_those_of_the_vectors()
        {
            Session session = null;
            var random = new FixedRandom();
            long now = 0;
            foreach (var vector in VectorFile.Read("session-transports.json"))
            {
                if (vector["resumes"] == null)
                {
                    session = Session.Secure(vector["gateway_public"]?.Bytes, ReplayBytes, Patience, now, random);
                }
                random.Add(vector["initiator_ephemeral"].Bytes);
                Assert.AreEqual(vector["hello"].Text, Hex.Encode(session.ConnectBytes(now)), vector["name"].Text);
                Fault fault;
                session.ReceiveAll(vector["reply"].Bytes, now, out fault);
                Assert.AreEqual(Fault.None, fault, vector["name"].Text);
                Assert.IsTrue(session.IsLive);
                foreach (var record in vector["records"].Items)
                {
                    // An acknowledgement may have to wait for its time.
                    now += 100;
                    Replay(session, record, now);
                }
            }
        }

        private static void Replay(Session session, Json record, long now)
        {
            var plaintext = record["plaintext"].Bytes;
            Record meaning;
            Assert.IsTrue(Record.TryRead(plaintext, 0, plaintext.Length, out meaning));
            var stream = record["plaintext"].Text.Substring(0, 2 * meaning.StreamBytes);
            if (record["by"].Text == "acceptor")
            {
                Fault fault;
                var received = session.ReceiveAll(record["wire"].Bytes, now, out fault);
                Assert.AreEqual(stream, Hex.Encode(received));
                Assert.AreEqual(meaning.Kind == RecordKind.Abort ? Fault.Over : Fault.None, fault);
                return;
            }
            if (meaning.Kind == RecordKind.Close)
            {
                session.Close();
            }
            if (meaning.StreamBytes > 0)
            {
                session.WriteAll(Hex.Decode(stream));
            }
            Assert.AreEqual(record["wire"].Text, Hex.Encode(session.SendAll(now)));
        }

        [Test]
        public void Plaintexts_of_records_are_read_as_the_vectors_say()
        {
            foreach (var vector in VectorFile.Read("session-plaintexts.json"))
            {
                var name = vector["name"].Text;
                var plaintext = vector["plaintext"].Bytes;
                Record record;
                var makesSense = Record.TryRead(plaintext, 0, plaintext.Length, out record);
                Assert.AreEqual(vector["error"] == null, makesSense, name);
                if (makesSense)
                {
                    CheckRecord(vector, plaintext, record);
                }
            }
        }

        private static void CheckRecord(Json vector, byte[] plaintext, Record record)
        {
            var name = vector["name"].Text;
            Assert.AreEqual(vector["kind"].Text, record.Kind.ToString().ToLowerInvariant(), name);
            Assert.AreEqual(vector["bytes"]?.Text ?? "", Hex.Encode(plaintext, 0, record.StreamBytes), name);
            Assert.AreEqual(vector["received"]?.Number ?? 0, record.Received, name);
            Assert.AreEqual(vector["reason"]?.Number ?? 0, (ulong)record.Reason, name);
            var trailer = new byte[plaintext.Length];
            var written = record.WriteTrailer(trailer, 0);
            Assert.AreEqual(
                vector["plaintext"].Text.Substring(2 * record.StreamBytes), Hex.Encode(trailer, 0, written), name);
        }

        /// <summary>The acceptor of these tests reads what all others read.</summary>
        [Test]
        public void First_messages_are_read_as_the_vectors_say()
        {
            foreach (var vector in VectorFile.Read("session-hellos.json"))
            {
                var name = vector["name"].Text;
                try
                {
                    var hello = Hello.Read(vector["bytes"].Bytes);
                    Assert.IsNull(vector["error"], name);
                    Assert.AreEqual(vector["asks"]?.Text, hello == null ? null : hello.IsResume ? "resume" : "open", name);
                    Assert.AreEqual(
                        vector["session"]?.Text, hello != null && hello.IsResume ? Hex.Encode(hello.Session) : null, name);
                }
                catch (FormatException error)
                {
                    Assert.AreEqual(vector["error"]?.Text, error.Message, name);
                }
            }
        }

        [Test]
        public void Legacy_transports_are_byte_by_byte_those_of_the_vectors()
        {
            Session session = null;
            var random = new FixedRandom();
            foreach (var vector in VectorFile.Read("session-legacy.json"))
            {
                var isNew = vector["initiator_written"] == null;
                if (isNew)
                {
                    session = Session.Legacy(vector["encrypt"].IsTrue, ReplayBytes, Patience, 0, random);
                    random.Add(vector["initiator_private"].Bytes);
                }
                var stream = vector["acceptor_reads"].Bytes;
                var lost = isNew ? 0 : (int)(vector["initiator_written"].Number - vector["acceptor_read"].Number);
                Write(session, stream, 0, lost);
                session.SendAll(0);
                Assert.AreEqual(vector["hello"].Text, Hex.Encode(session.ConnectBytes(0)), vector["name"].Text);
                Assert.IsEmpty(session.ReceiveAll(vector["reply"].Bytes, 0));
                Write(session, stream, lost, stream.Length - lost);
                Assert.AreEqual(vector["initiator_sends"].Text, Hex.Encode(session.SendAll(0)), vector["name"].Text);
                var read = session.ReceiveAll(vector["acceptor_sends"].Bytes, 0);
                Assert.AreEqual(vector["initiator_reads"].Text, Hex.Encode(read), vector["name"].Text);
            }
        }

        private static void Write(Session session, byte[] stream, int offset, int count)
        {
            Assert.AreEqual(count, session.Write(stream, offset, count));
        }
    }
}
