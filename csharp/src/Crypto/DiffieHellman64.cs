namespace Fastway.Crypto
{
    /// <summary>Diffie-Hellman over 64 bits: no obstacle to anybody who wants in, but what old sessions speak.</summary>
    internal sealed class DiffieHellman64
    {
        public const ulong Prime = 0xffffffffffffffc5;
        public const ulong Generator = 5;

        /// <summary>2^64 modulo the prime.</summary>
        private const ulong Excess = 59;

        private readonly ulong _private;

        public DiffieHellman64(RandomSource random)
        {
            _private = DrawPrivate(random);
            Public = Power(Generator, _private);
        }

        /// <summary>What is sent of it.</summary>
        public ulong Public { get; }

        public static ulong DrawPrivate(RandomSource random)
        {
            ulong drawn;
            do
            {
                drawn = LittleEndian.ReadUInt64(random.Draw(8), 0) % Prime;
            }
            while (drawn < 2);
            return drawn;
        }

        /// <summary>The shared secret; null for a number that nobody can have sent in earnest.</summary>
        public ulong? Agree(ulong other)
        {
            return other == 0 || other >= Prime ? (ulong?)null : Power(other, _private);
        }

        /// <summary>Of a number below the prime, modulo the prime.</summary>
        public static ulong Power(ulong number, ulong exponent)
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

        /// <summary>The product has 128 bits, for which there is no type: it is made of halves, as by hand.</summary>
        private static ulong Times(ulong a, ulong b)
        {
            ulong a0 = (uint)a, a1 = a >> 32, b0 = (uint)b, b1 = b >> 32;
            var low = a0 * b0;
            var middle = a1 * b0 + (low >> 32);
            var other = a0 * b1 + (uint)middle;
            return Reduce(a1 * b1 + (middle >> 32) + (other >> 32), other << 32 | (uint)low);
        }

        /// <summary>What exceeds 64 bits counts 59 times, and what that makes beyond them once more.</summary>
        private static ulong Reduce(ulong high, ulong low)
        {
            var upper = (high >> 32) * Excess;
            var sum = low >= Prime ? low - Prime : low;
            sum = Sum(sum, upper << 32);
            sum = Sum(sum, (uint)high * Excess);
            return Sum(sum, (upper >> 32) * Excess);
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
