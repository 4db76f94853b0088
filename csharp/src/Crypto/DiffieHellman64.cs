namespace Fastway.Crypto
{
    /// <summary>Diffie-Hellman over 64 bits: no obstacle to anybody who wants in, but what old sessions speak.</summary>
    internal sealed class DiffieHellman64
    {
        private const ulong Prime = 0xffffffffffffffc5;
        /// <summary>2^64 modulo the prime.</summary>
        private const ulong Excess = 59;
        private const ulong Generator = 5;

        private readonly ulong _private;

        public DiffieHellman64(RandomSource random)
        {
            do
            {
                _private = LittleEndian.ReadUInt64(random.Draw(8), 0) % Prime;
            }
            while (_private < 2);
            Public = Power(Generator, _private);
        }

        /// <summary>What is sent of it.</summary>
        public ulong Public { get; }

        /// <summary>The shared secret; null for a number that nobody can have sent in earnest.</summary>
        public ulong? Agree(ulong other)
        {
            return other == 0 || other >= Prime ? (ulong?)null : Power(other, _private);
        }

        private static ulong Power(ulong number, ulong exponent)
        {
            ulong power = 1;
            for (var square = number; exponent > 0; exponent >>= 1)
            {
                if ((exponent & 1) == 1)
                {
                    power = Times(power, square);
                }
                square = Times(square, square);
            }
            return power;
        }

        /// <summary>By doubling and adding, bit by bit, as there is no type for the product.</summary>
        private static ulong Times(ulong a, ulong b)
        {
            ulong product = 0;
            for (var bit = 63; bit >= 0; bit--)
            {
                product = Sum(product, product);
                if ((b >> bit & 1) == 1)
                {
                    product = Sum(product, a);
                }
            }
            return product;
        }

        /// <summary>Of two numbers below the prime, modulo the prime.</summary>
        private static ulong Sum(ulong a, ulong b)
        {
            var sum = unchecked(a + b);
            if (sum < a)
            {
                return sum + Excess;
            }
            return sum >= Prime ? sum - Prime : sum;
        }
    }
}
