using System;
using System.IO;
using Fastway.Tests.Vectors;
using NUnit.Framework;
using Snet;

namespace Fastway.Tests.Original
{
    /// <summary>The ciphers of the original's Snet assembly.</summary>
    [TestFixture]
    public class CiphersTest
    {
        private static readonly byte[] Key = Hex.Decode("0102030405");

        /// <summary>RFC 6229, the first bytes of the key stream.</summary>
        [Test]
        public void The_key_stream_is_that_of_RC4()
        {
            var bytes = new byte[16];
            new RC4Cipher(Key).XORKeyStream(bytes, 0, bytes, 0, bytes.Length);
            CollectionAssert.AreEqual(Hex.Decode("b2396305f03dc027ccc3524a0a1118a8"), bytes);
        }

        [Test]
        public void A_cipher_goes_on_where_it_was_and_writes_where_it_is_told()
        {
            var whole = new byte[300];
            new RC4Cipher(Key).XORKeyStream(whole, 0, new byte[300], 0, 300);
            var parts = new byte[310];
            var cipher = new RC4Cipher(Key);
            cipher.XORKeyStream(parts, 10, new byte[200], 100, 100);
            cipher.XORKeyStream(parts, 110, new byte[0], 0, 0);
            cipher.XORKeyStream(parts, 110, new byte[200], 0, 200);
            CollectionAssert.AreEqual(new byte[10], new ArraySegment<byte>(parts, 0, 10));
            CollectionAssert.AreEqual(whole, new ArraySegment<byte>(parts, 10, 300));
        }

        [TestCase(0)]
        [TestCase(257)]
        public void A_key_of_a_wrong_length_is_refused_with_its_length(int bytes)
        {
            var error = Assert.Throws<RC4KeySizeException>(() => new RC4Cipher(new byte[bytes]));
            Assert.AreEqual("RC4Stream: invalid key size " + bytes, error.Message);
        }

        [Test]
        public void A_stream_writes_what_another_one_reads_and_leaves_the_buffer_as_it_is()
        {
            var memory = new MemoryStream();
            var written = new byte[] { 9, 1, 2, 3, 9 };
            var stream = new RC4Stream(memory, Key);
            stream.Write(written, 1, 3);
            stream.Flush();
            CollectionAssert.AreEqual(new byte[] { 9, 1, 2, 3, 9 }, written);
            CollectionAssert.AreEqual(Hex.Decode("b33b60"), memory.ToArray());
            Assert.AreEqual(3, stream.Length);
            Assert.AreEqual(3, stream.Position);
            stream.Dispose();
            memory.Position = 0;
            var read = new byte[5];
            Assert.AreEqual(3, new RC4Stream(memory, Key).Read(read, 1, 4));
            CollectionAssert.AreEqual(new byte[] { 0, 1, 2, 3, 0 }, read);
        }

        [Test]
        public void Two_key_pairs_agree_on_a_secret()
        {
            ulong mine, minePublic, yours, yoursPublic;
            var pair = new DH64();
            pair.KeyPair(out mine, out minePublic);
            pair.KeyPair(out yours, out yoursPublic);
            Assert.AreNotEqual(mine, yours);
            Assert.AreEqual(minePublic, pair.PublicKey(mine));
            Assert.AreEqual(pair.Secret(mine, yoursPublic), pair.Secret(yours, minePublic));
        }

        [Test]
        public void Powers_of_the_generator_are_public_keys()
        {
            Assert.AreEqual(5, new DH64().PublicKey(1));
            Assert.AreEqual(25, new DH64().PublicKey(2));
            Assert.AreEqual(5 * 5 * 5, new DH64().Secret(3, 5));
        }

        [Test]
        public void A_key_of_zero_is_refused()
        {
            Assert.Throws<ArgumentException>(() => new DH64().PublicKey(0));
            Assert.Throws<ArgumentException>(() => new DH64().Secret(0, 5));
            Assert.Throws<ArgumentException>(() => new DH64().Secret(5, 0));
        }
    }
}
