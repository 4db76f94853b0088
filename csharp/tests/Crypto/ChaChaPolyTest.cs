using System;
using System.Text;
using Fastway.Crypto;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Crypto
{
    /// <summary>Vectors of RFC 8439.</summary>
    [TestFixture]
    public class ChaChaPolyTest
    {
        private const string Sunscreen = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
            + "future, sunscreen would be it.";

        [Test]
        public void A_block_of_the_key_stream_is_the_published_one()
        {
            var cipher = new ChaCha20(Counting(0));
            cipher.Seek(0x09000000, 0x4a000000, 1);
            var stream = new byte[64];
            cipher.Apply(stream, 0, stream.Length);
            Assert.AreEqual(
                "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
                + "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
                Hex.Encode(stream));
        }

        [Test]
        public void A_text_is_encrypted_as_published()
        {
            var text = Encoding.ASCII.GetBytes(Sunscreen);
            var cipher = new ChaCha20(Counting(0));
            cipher.Seek(0, 0x4a000000, 1);
            cipher.Apply(text, 0, text.Length);
            Assert.AreEqual(
                "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
                + "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
                + "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
                + "5af90bbf74a35be6b40b8eedf2785e42874d",
                Hex.Encode(text));
        }

        [Test]
        public void A_long_text_is_encrypted_as_its_pieces_are()
        {
            var whole = new byte[10000];
            var pieces = new byte[whole.Length];
            var cipher = new ChaCha20(Counting(0));
            cipher.Seek(0, 7, 0);
            cipher.Apply(whole, 0, whole.Length);
            for (var at = 0; at < pieces.Length; at += 64)
            {
                cipher.Seek(0, 7, (uint)(at / 64));
                cipher.Apply(pieces, at, Math.Min(64, pieces.Length - at));
            }
            CollectionAssert.AreEqual(whole, pieces);
        }

        /// <summary>Those of appendix A.3 whose messages are whole blocks.</summary>
        [TestCase("00", "00000000000000000000000000000000", "00000000000000000000000000000000")]
        [TestCase("02", "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000")]
        [TestCase(
            "01",
            "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
            "05000000000000000000000000000000")]
        [TestCase(
            "01",
            "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
            "00000000000000000000000000000000")]
        [TestCase("02", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff")]
        [TestCase(
            "010000000000000004",
            "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
            + "0000000000000000000000000000000001000000000000000000000000000000",
            "14000000000000005500000000000000")]
        [TestCase(
            "010000000000000004",
            "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
            "13000000000000000000000000000000")]
        public void Edges_of_the_authenticator_give_the_published_tags(string r, string message, string tag)
        {
            var key = Hex.Decode(r.PadRight(64, '0'));
            var words = new uint[Poly1305.KeyWords];
            LittleEndian.ReadWords(key, 0, key.Length, words);
            var authenticator = new Poly1305();
            authenticator.Start(words);
            var bytes = Hex.Decode(message);
            authenticator.Absorb(bytes, 0, bytes.Length);
            var found = new byte[Poly1305.TagBytes];
            authenticator.Finish(found, 0);
            Assert.AreEqual(tag, Hex.Encode(found));
        }

        /// <summary>Appendix A.5.</summary>
        [Test]
        public void A_published_message_opens_and_seals_again()
        {
            var key = Hex.Decode("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
            var associated = Hex.Decode("f33388860000000000004e91");
            const ulong nonce = 0x0807060504030201;
            const string sealedText =
                "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0"
                + "bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
                + "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9"
                + "9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
                + "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
                + "305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b" + "eead9d67890cbb22392336fea1851f38";
            var bytes = Hex.Decode(sealedText);
            var count = bytes.Length - ChaChaPoly.TagBytes;
            var box = new ChaChaPoly(key);
            Assert.IsTrue(box.Open(nonce, associated, bytes, 0, count));
            StringAssert.StartsWith("Internet-Drafts are draft documents", Encoding.UTF8.GetString(bytes, 0, count));
            box.Seal(nonce, associated, bytes, 0, count);
            Assert.AreEqual(sealedText, Hex.Encode(bytes));
        }

        [Test]
        public void What_was_altered_anywhere_does_not_open_and_is_left_as_it_is()
        {
            var box = new ChaChaPoly(Counting(5));
            var associated = new byte[] { 1, 2, 3 };
            var bytes = new byte[100 + ChaChaPoly.TagBytes];
            box.Seal(9, associated, bytes, 0, 100);
            for (var bit = 0; bit < 8 * bytes.Length; bit++)
            {
                var altered = (byte[])bytes.Clone();
                altered[bit / 8] ^= (byte)(1 << bit % 8);
                var given = (byte[])altered.Clone();
                Assert.IsFalse(box.Open(9, associated, altered, 0, 100), "bit {0}", bit);
                CollectionAssert.AreEqual(given, altered);
            }
            Assert.IsFalse(box.Open(8, associated, bytes, 0, 100), "another nonce");
            Assert.IsFalse(box.Open(9, new byte[] { 1, 2 }, bytes, 0, 100), "other associated data");
            Assert.IsFalse(new ChaChaPoly(Counting(6)).Open(9, associated, bytes, 0, 100), "another key");
            Assert.IsTrue(box.Open(9, associated, bytes, 0, 100));
        }

        [Test]
        public void Every_length_opens_again()
        {
            var box = new ChaChaPoly(Counting(5));
            for (var count = 0; count < 200; count++)
            {
                var bytes = new byte[3 + count + ChaChaPoly.TagBytes];
                box.Seal((ulong)count, ChaChaPoly.Nothing, bytes, 3, count);
                Assert.IsTrue(box.Open((ulong)count, ChaChaPoly.Nothing, bytes, 3, count), "{0} bytes", count);
                Assert.IsTrue(ConstantTime.IsZero(Slice(bytes, 0, 3 + count)), "{0} bytes", count);
            }
        }

        private static byte[] Slice(byte[] bytes, int offset, int count)
        {
            var slice = new byte[count];
            Buffer.BlockCopy(bytes, offset, slice, 0, count);
            return slice;
        }

        private static byte[] Counting(byte from)
        {
            var key = new byte[ChaChaPoly.KeyBytes];
            for (var i = 0; i < key.Length; i++)
            {
                key[i] = (byte)(from + i);
            }
            return key;
        }
    }
}
