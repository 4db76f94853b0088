using System;

namespace Fastway.Crypto
{
    /// <summary>
    /// Numbers modulo p = 2^255 - 19, in ten limbs that may be negative: limb i counts 2^(25.5 i), rounded up, so the
    /// limbs have 26 and 25 bits in turns. <see cref="Add"/> and <see cref="Subtract"/> make limbs one bit larger than
    /// that, which <see cref="Multiply"/> takes and reduces. All of it takes constant time.
    /// </summary>
    internal static class Field25519
    {
        /// <summary>Limbs of a number.</summary>
        public const int Limbs = 10;
        /// <summary>Bytes of a number, the least significant first.</summary>
        public const int Bytes = 32;

        private const int LastBits = 25;

        public static void Add(long[] a, long[] b, long[] sum)
        {
            for (var i = 0; i < Limbs; i++)
            {
                sum[i] = a[i] + b[i];
            }
        }

        public static void Subtract(long[] a, long[] b, long[] difference)
        {
            for (var i = 0; i < Limbs; i++)
            {
                difference[i] = a[i] - b[i];
            }
        }

        /// <summary>Exchanges two numbers if <paramref name="swap"/> is 1, and not if it is 0.</summary>
        public static void Swap(long swap, long[] a, long[] b)
        {
            var mask = -swap;
            for (var i = 0; i < Limbs; i++)
            {
                var changed = mask & (a[i] ^ b[i]);
                a[i] ^= changed;
                b[i] ^= changed;
            }
        }

        /// <summary>Multiplies by a number of up to 17 bits.</summary>
        public static void MultiplySmall(long[] a, long factor, long[] product)
        {
            for (var i = 0; i < Limbs; i++)
            {
                product[i] = a[i] * factor;
            }
            Carry(product);
        }

        /// <summary>The product may take the place of a factor.</summary>
        public static void Multiply(long[] a, long[] b, long[] product)
        {
            long a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4];
            long a5 = a[5], a6 = a[6], a7 = a[7], a8 = a[8], a9 = a[9];
            long b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], b4 = b[4];
            long b5 = b[5], b6 = b[6], b7 = b[7], b8 = b[8], b9 = b[9];
            // The weights of two odd limbs make twice the weight of their place.
            long d1 = 2 * a1, d3 = 2 * a3, d5 = 2 * a5, d7 = 2 * a7, d9 = 2 * a9;
            // 2^255 is 19.
            long n1 = 19 * b1, n2 = 19 * b2, n3 = 19 * b3, n4 = 19 * b4, n5 = 19 * b5;
            long n6 = 19 * b6, n7 = 19 * b7, n8 = 19 * b8, n9 = 19 * b9;

            product[0] = a0 * b0 + d1 * n9 + a2 * n8 + d3 * n7 + a4 * n6 + d5 * n5 + a6 * n4 + d7 * n3 + a8 * n2 + d9 * n1;
            product[1] = a0 * b1 + a1 * b0 + a2 * n9 + a3 * n8 + a4 * n7 + a5 * n6 + a6 * n5 + a7 * n4 + a8 * n3 + a9 * n2;
            product[2] = a0 * b2 + d1 * b1 + a2 * b0 + d3 * n9 + a4 * n8 + d5 * n7 + a6 * n6 + d7 * n5 + a8 * n4 + d9 * n3;
            product[3] = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + a4 * n9 + a5 * n8 + a6 * n7 + a7 * n6 + a8 * n5 + a9 * n4;
            product[4] = a0 * b4 + d1 * b3 + a2 * b2 + d3 * b1 + a4 * b0 + d5 * n9 + a6 * n8 + d7 * n7 + a8 * n6 + d9 * n5;
            product[5] = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 + a6 * n9 + a7 * n8 + a8 * n7 + a9 * n6;
            product[6] = a0 * b6 + d1 * b5 + a2 * b4 + d3 * b3 + a4 * b2 + d5 * b1 + a6 * b0 + d7 * n9 + a8 * n8 + d9 * n7;
            product[7] = a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0 + a8 * n9 + a9 * n8;
            product[8] = a0 * b8 + d1 * b7 + a2 * b6 + d3 * b5 + a4 * b4 + d5 * b3 + a6 * b2 + d7 * b1 + a8 * b0 + d9 * n9;
            product[9] = a0 * b9 + a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1 + a9 * b0;
            Carry(product);
        }

        /// <summary>a to the power of p - 2, which is 1 / a, and 0 for 0.</summary>
        public static void Invert(long[] a, long[] inverse)
        {
            // Comments are exponents; 2^255 - 21 is (2^250 - 1) * 2^5 + 11.
            long[] a2 = new long[Limbs], a9 = new long[Limbs], a11 = new long[Limbs], t = new long[Limbs];
            Multiply(a, a, a2);
            Square(a2, 2, t);                       // 8
            Multiply(t, a, a9);
            Multiply(a9, a2, a11);
            Multiply(a11, a11, t);                  // 22
            long[] ones5 = Times(t, a9);            // 2^5 - 1
            long[] ones10 = Append(ones5, 5, ones5);
            long[] ones20 = Append(ones10, 10, ones10);
            long[] ones40 = Append(ones20, 20, ones20);
            long[] ones50 = Append(ones40, 10, ones10);
            long[] ones100 = Append(ones50, 50, ones50);
            long[] ones200 = Append(ones100, 100, ones100);
            long[] ones250 = Append(ones200, 50, ones50);
            Square(ones250, 5, t);
            Multiply(t, a11, inverse);
            Secrets.Wipe(a2, a9, a11, t, ones5, ones10, ones20, ones40, ones50, ones100, ones200, ones250);
        }

        /// <summary>Puts the exponent <paramref name="low"/> behind another, which is shifted by so many bits.</summary>
        private static long[] Append(long[] high, int bits, long[] low)
        {
            var shifted = new long[Limbs];
            Square(high, bits, shifted);
            var appended = Times(shifted, low);
            Secrets.Wipe(shifted);
            return appended;
        }

        private static long[] Times(long[] a, long[] b)
        {
            var product = new long[Limbs];
            Multiply(a, b, product);
            return product;
        }

        private static void Square(long[] a, int times, long[] power)
        {
            Multiply(a, a, power);
            for (var i = 1; i < times; i++)
            {
                Multiply(power, power, power);
            }
        }

        /// <summary>Reads 255 bits; the last one is ignored.</summary>
        public static long[] Decode(byte[] bytes)
        {
            var number = new long[Limbs];
            var bit = 0;
            for (var i = 0; i < Limbs; i++)
            {
                var at = Math.Min(bit / 8, Bytes - 4);
                number[i] = LittleEndian.ReadUInt32(bytes, at) >> bit - 8 * at & (1L << Bits(i)) - 1;
                bit += Bits(i);
            }
            return number;
        }

        /// <summary>The one encoding of a number: the one below p.</summary>
        public static byte[] Encode(long[] number)
        {
            var limbs = (long[])number.Clone();
            Carry(limbs);
            Carry(limbs);
            // First into 0 .. 2^255, then below p, which is where adding 19 does not reach 2^255.
            TakeOut(limbs, 0);
            TakeOut(limbs, 19);
            var bytes = Pack(limbs);
            Secrets.Wipe(limbs);
            return bytes;
        }

        /// <summary>Subtracts p as often as 2^255 fits into the number and <paramref name="more"/>: once, or not, or -1
        /// times. All limbs are positive then.</summary>
        private static void TakeOut(long[] limbs, long more)
        {
            var times = more;
            for (var i = 0; i < Limbs; i++)
            {
                times = limbs[i] + times >> Bits(i);
            }
            var carry = 19 * times;
            for (var i = 0; i < Limbs; i++)
            {
                var limb = limbs[i] + carry;
                carry = limb >> Bits(i);
                limbs[i] = limb - (carry << Bits(i));
            }
        }

        private static byte[] Pack(long[] limbs)
        {
            var bytes = new byte[Bytes];
            var at = 0;
            long pending = 0;
            var bits = 0;
            for (var i = 0; i < Limbs; i++)
            {
                pending |= limbs[i] << bits;
                for (bits += Bits(i); bits >= 8; bits -= 8)
                {
                    bytes[at++] = (byte)pending;
                    pending >>= 8;
                }
            }
            bytes[at] = (byte)pending;
            return bytes;
        }

        private static int Bits(int limb)
        {
            return 26 - (limb & 1);
        }

        /// <summary>Brings each limb back to its size, up to the sign; what exceeds the last one counts 19.</summary>
        private static void Carry(long[] limbs)
        {
            long carry = 0;
            for (var i = 0; i < Limbs; i += 2)
            {
                var even = limbs[i] + carry;
                carry = even + (1 << 25) >> 26;
                limbs[i] = even - (carry << 26);
                var odd = limbs[i + 1] + carry;
                carry = odd + (1 << 24) >> LastBits;
                limbs[i + 1] = odd - (carry << LastBits);
            }
            var first = limbs[0] + 19 * carry;
            carry = first + (1 << 25) >> 26;
            limbs[0] = first - (carry << 26);
            limbs[1] += carry;
        }
    }
}
