using System.Collections.Generic;
using Fastway.Crypto;
using Fastway.Sessions.Secure;
using Fastway.Tests.Sessions.Acceptors;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>The published vectors of the patterns that sessions use.</summary>
    [TestFixture]
    public class NoiseVectorsTest
    {
        [Test]
        public void The_initiator_makes_and_reads_the_published_messages()
        {
            foreach (var vector in VectorFile.Read("noise.json"))
            {
                Check(vector);
            }
        }

        [Test]
        public void A_responder_makes_and_reads_the_published_messages()
        {
            foreach (var vector in VectorFile.Read("noise.json"))
            {
                var messages = vector["messages"].Items;
                var responder = new Responder(
                    vector["psk"]?.Bytes, vector["responder_static"]?.Bytes, vector["prologue"].Bytes,
                    vector["responder_ephemeral"].Bytes);
                Assert.AreEqual(messages[0]["payload"].Text, Hex.Encode(responder.Read(messages[0]["ciphertext"].Bytes)));
                Assert.AreEqual(messages[1]["ciphertext"].Text, Hex.Encode(responder.Write(messages[1]["payload"].Bytes)));
            }
        }

        private static void Check(Json vector)
        {
            var messages = vector["messages"].Items;
            var prologue = vector["prologue"].Bytes;
            var ephemeral = vector["initiator_ephemeral"].Bytes;
            var handshake = vector["psk"] != null
                ? Handshake.Resume(vector["psk"].Bytes, prologue, ephemeral)
                : Handshake.Open(vector["responder_public"]?.Bytes, prologue, ephemeral);
            Assert.AreEqual(messages[0]["ciphertext"].Text, Hex.Encode(handshake.Write(messages[0]["payload"].Bytes)));
            Assert.AreEqual(messages[1]["payload"].Text, Hex.Encode(handshake.Read(messages[1]["ciphertext"].Bytes)));
            CheckTransport(handshake.Split(), messages);
        }

        /// <summary>In turns, the initiator first.</summary>
        private static void CheckTransport(byte[][] keys, IReadOnlyList<Json> messages)
        {
            for (var i = 2; i < messages.Count; i++)
            {
                var payload = messages[i]["payload"].Bytes;
                var sealedPayload = Bytes.Concat(payload, new byte[ChaChaPoly.TagBytes]);
                var nonce = (ulong)(i - 2) / 2;
                new ChaChaPoly(keys[i % 2]).Seal(nonce, ChaChaPoly.Nothing, sealedPayload, 0, payload.Length);
                Assert.AreEqual(messages[i]["ciphertext"].Text, Hex.Encode(sealedPayload));
            }
        }
    }
}
