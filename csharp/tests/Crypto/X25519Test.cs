using Fastway.Crypto;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Crypto
{
    /// <summary>Vectors of RFC 7748.</summary>
    [TestFixture]
    [Category("Computes")]
    public class X25519Test
    {
        [TestCase(
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
        [TestCase(
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
        public void A_scalar_times_a_point_is_the_published_point(string scalar, string point, string product)
        {
            Assert.AreEqual(product, Hex.Encode(X25519.Agree(Hex.Decode(scalar), Hex.Decode(point))));
        }

        [TestCase(1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")]
        [TestCase(1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")]
        public void Going_on_with_the_product_leads_where_it_should(int times, string end)
        {
            var scalar = new byte[X25519.KeyBytes];
            scalar[0] = 9;
            var point = scalar;
            for (var i = 0; i < times; i++)
            {
                var product = X25519.Agree(scalar, point);
                point = scalar;
                scalar = product;
            }
            Assert.AreEqual(end, Hex.Encode(scalar));
        }

        [Test]
        public void Two_ends_agree_on_the_published_secret()
        {
            var alice = Hex.Decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
            var bob = Hex.Decode("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
            var fromAlice = X25519.PublicKey(alice);
            var fromBob = X25519.PublicKey(bob);
            Assert.AreEqual("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Hex.Encode(fromAlice));
            Assert.AreEqual("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", Hex.Encode(fromBob));
            const string secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
            Assert.AreEqual(secret, Hex.Encode(X25519.Agree(alice, fromBob)));
            Assert.AreEqual(secret, Hex.Encode(X25519.Agree(bob, fromAlice)));
        }

        /// <summary>The points of small order, whose product is zero whatever the private key: 0, 1, p - 1, p, p + 1 and
        /// the two of order 8.</summary>
        [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
        [TestCase("0100000000000000000000000000000000000000000000000000000000000000")]
        [TestCase("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
        [TestCase("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
        [TestCase("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
        [TestCase("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
        [TestCase("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
        public void A_secret_that_everybody_knows_is_none(string point)
        {
            var scalar = Hex.Decode("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
            Assert.IsNull(X25519.Agree(scalar, Hex.Decode(point)));
        }

        [Test]
        public void A_number_above_the_prime_counts_as_what_is_left_of_it()
        {
            for (byte above = 0; above < 19; above++)
            {
                var number = Hex.Decode("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
                number[0] += above;
                var encoded = Field25519.Encode(Field25519.Decode(number));
                Assert.AreEqual(above, encoded[0]);
                encoded[0] = 0;
                Assert.IsTrue(ConstantTime.IsZero(encoded));
            }
        }

        [Test]
        public void A_negative_number_has_one_encoding()
        {
            for (var below = 1; below < 40; below++)
            {
                var number = new long[Field25519.Limbs];
                number[0] = -below;
                var expected = Hex.Decode("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
                expected[0] -= (byte)below;
                CollectionAssert.AreEqual(expected, Field25519.Encode(number));
            }
        }
    }
}
