using Fastway.Crypto;
using NUnit.Framework;

namespace Fastway.Tests.Crypto
{
    [TestFixture]
    public class DiffieHellman64Test
    {
        [Test]
        public void Both_ends_agree()
        {
            for (var i = 0; i < 100; i++)
            {
                var a = new DiffieHellman64(RandomSource.System);
                var b = new DiffieHellman64(RandomSource.System);
                Assert.IsNotNull(a.Agree(b.Public));
                Assert.AreEqual(a.Agree(b.Public), b.Agree(a.Public));
            }
        }

        [TestCase(27UL, 7450580596923828125UL)]
        // 5^28 = 37252902984619140625, twice the prime and this.
        [TestCase(28UL, 359414837200037511UL)]
        public void Powers_are_right(ulong exponent, ulong power)
        {
            Assert.AreEqual(power, new DiffieHellman64(new Fixed(exponent)).Public);
        }

        [Test]
        public void Numbers_out_of_range_are_refused()
        {
            var pair = new DiffieHellman64(RandomSource.System);
            Assert.IsNull(pair.Agree(0));
            Assert.IsNull(pair.Agree(0xffffffffffffffc5));
            Assert.IsNull(pair.Agree(ulong.MaxValue));
            Assert.IsNotNull(pair.Agree(0xffffffffffffffc4));
        }

        private sealed class Fixed : RandomSource
        {
            private readonly ulong _number;

            public Fixed(ulong number)
            {
                _number = number;
            }

            public override void Fill(byte[] to, int offset, int count)
            {
                LittleEndian.Write(_number, to, offset);
            }
        }
    }
}
