using System.Text;
using Fastway.Crypto;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Crypto
{
    /// <summary>Vectors of FIPS 180-4, RFC 4231, RFC 5869, RFC 1321 and RFC 6229.</summary>
    [TestFixture]
    public class HashTest
    {
        [TestCase("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
        [TestCase("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
        [TestCase(
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
        public void A_text_has_the_published_hash(string text, string hash)
        {
            Assert.AreEqual(hash, Hex.Encode(Sha256.Hash(Encoding.ASCII.GetBytes(text))));
        }

        [Test]
        public void A_million_letters_in_pieces_have_the_published_hash()
        {
            var letters = Encoding.ASCII.GetBytes(new string('a', 1000));
            var hash = new Sha256();
            for (var i = 0; i < 1000; i++)
            {
                hash.Update(letters);
            }
            Assert.AreEqual("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", Hex.Encode(hash.Finish()));
        }

        [Test]
        public void Every_length_has_the_hash_of_the_class_library()
        {
            using (var library = System.Security.Cryptography.SHA256.Create())
            {
                for (var count = 0; count < 300; count++)
                {
                    var bytes = new byte[count];
                    CollectionAssert.AreEqual(library.ComputeHash(bytes), Sha256.Hash(bytes), "{0} bytes", count);
                }
            }
        }

        [Test]
        public void A_message_has_the_published_code()
        {
            var key = Encoding.ASCII.GetBytes("Jefe");
            var code = HmacSha256.Of(key, Encoding.ASCII.GetBytes("what do ya want "), Encoding.ASCII.GetBytes("for nothing?"));
            Assert.AreEqual("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", Hex.Encode(code));
        }

        [Test]
        public void A_key_that_is_longer_than_a_block_is_hashed_first()
        {
            var key = new byte[131];
            for (var i = 0; i < key.Length; i++)
            {
                key[i] = 0xaa;
            }
            var code = HmacSha256.Of(key, Encoding.ASCII.GetBytes("Test Using Larger Than Block-Size Key - Hash Key First"));
            Assert.AreEqual("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", Hex.Encode(code));
        }

        [Test]
        public void A_key_is_expanded_as_published()
        {
            var secret = Hkdf.Extract(
                Hex.Decode("000102030405060708090a0b0c"), Hex.Decode("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"));
            Assert.AreEqual("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", Hex.Encode(secret));
            var info = Hex.Decode("f0f1f2f3f4f5f6f7f8f9");
            var first = Hkdf.Next(secret, new byte[0], info, 0);
            var second = Hkdf.Next(secret, first, info, 1);
            Assert.AreEqual("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf", Hex.Encode(first));
            StringAssert.StartsWith("34007208d5b887185865", Hex.Encode(second));
        }

        [Test]
        public void Keys_of_noise_are_those_without_info()
        {
            var keys = Hkdf.Keys(new byte[0], Hex.Decode("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), 2);
            Assert.AreEqual("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d", Hex.Encode(keys[0]));
            StringAssert.StartsWith("9d201395faa4b61a96c8", Hex.Encode(keys[1]));
        }

        [Test]
        public void A_message_and_a_key_are_hashed_one_behind_the_other()
        {
            var hash = Md5.Digest(Encoding.ASCII.GetBytes("message "), Encoding.ASCII.GetBytes("digest"));
            Assert.AreEqual("f96b697d7cb7938d525a2f31aaf161d0", Hex.Encode(hash));
        }

        [Test]
        public void The_old_cipher_makes_the_published_stream()
        {
            var cipher = new Rc4(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 });
            var stream = new byte[32];
            cipher.Apply(stream, 0, 5);
            cipher.Apply(stream, 5, stream.Length - 5);
            Assert.AreEqual("97ab8a1bf0afb96132f2f67258da15a88263efdb45c4a18684ef87e6b19e5b09", Hex.Encode(stream));
        }
    }
}
