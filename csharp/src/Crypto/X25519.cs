namespace Fastway.Crypto
{
    /// <summary>Diffie-Hellman on Curve25519 (RFC 7748 §5), in constant time.</summary>
    internal static class X25519
    {
        /// <summary>Bytes of a key, public, private or shared.</summary>
        public const int KeyBytes = Field25519.Bytes;

        /// <summary>(486662 - 2) / 4, of the curve's equation.</summary>
        private const long CurveConstant = 121665;
        private const int Bits = 255;

        private static readonly byte[] BasePoint = MakeBasePoint();

        /// <summary>The public key of a private one; any 32 bytes are one.</summary>
        public static byte[] PublicKey(byte[] privateKey)
        {
            return Multiply(privateKey, BasePoint);
        }

        /// <summary>The shared secret; null for a public key that makes one which everybody knows: zero.</summary>
        public static byte[] Agree(byte[] privateKey, byte[] publicKey)
        {
            var secret = Multiply(privateKey, publicKey);
            return ConstantTime.IsZero(secret) ? null : secret;
        }

        private static byte[] MakeBasePoint()
        {
            var point = new byte[KeyBytes];
            point[0] = 9;
            return point;
        }

        private static byte[] Multiply(byte[] scalar, byte[] point)
        {
            var ladder = new Ladder(Field25519.Decode(point));
            var clamped = Clamp(scalar);
            long swapped = 0;
            for (var i = Bits - 1; i >= 0; i--)
            {
                long bit = clamped[i / 8] >> i % 8 & 1;
                ladder.Swap(swapped ^ bit);
                ladder.Step();
                swapped = bit;
            }
            ladder.Swap(swapped);
            var result = ladder.Result();
            Secrets.Wipe(clamped);
            ladder.Wipe();
            return result;
        }

        private static byte[] Clamp(byte[] scalar)
        {
            var clamped = (byte[])scalar.Clone();
            clamped[0] &= 0xf8;
            clamped[31] = (byte)(clamped[31] & 0x7f | 0x40);
            return clamped;
        }

        /// <summary>Montgomery's ladder: two points whose difference is always the one that it began with, as x / z each.
        /// The names are the RFC's.</summary>
        private sealed class Ladder
        {
            private readonly long[] _x1;
            private readonly long[] _x2 = New();
            private readonly long[] _z2 = New();
            private readonly long[] _x3;
            private readonly long[] _z3 = New();
            private readonly long[] _a = New(), _aa = New(), _b = New(), _bb = New(), _c = New(), _d = New(), _e = New();

            public Ladder(long[] x)
            {
                _x1 = x;
                _x3 = (long[])x.Clone();
                _x2[0] = 1;
                _z3[0] = 1;
            }

            public void Swap(long swap)
            {
                Field25519.Swap(swap, _x2, _x3);
                Field25519.Swap(swap, _z2, _z3);
            }

            /// <summary>Doubles the one, and adds both to make the other.</summary>
            public void Step()
            {
                Field25519.Add(_x2, _z2, _a);
                Field25519.Multiply(_a, _a, _aa);
                Field25519.Subtract(_x2, _z2, _b);
                Field25519.Multiply(_b, _b, _bb);
                Field25519.Subtract(_aa, _bb, _e);
                Field25519.Add(_x3, _z3, _c);
                Field25519.Subtract(_x3, _z3, _d);
                Field25519.Multiply(_d, _a, _d);
                Field25519.Multiply(_c, _b, _c);
                Field25519.Add(_d, _c, _x3);
                Field25519.Multiply(_x3, _x3, _x3);
                Field25519.Subtract(_d, _c, _z3);
                Field25519.Multiply(_z3, _z3, _z3);
                Field25519.Multiply(_z3, _x1, _z3);
                Field25519.Multiply(_aa, _bb, _x2);
                Field25519.MultiplySmall(_e, CurveConstant, _z2);
                Field25519.Add(_z2, _aa, _z2);
                Field25519.Multiply(_z2, _e, _z2);
            }

            public byte[] Result()
            {
                Field25519.Invert(_z2, _z2);
                Field25519.Multiply(_x2, _z2, _x2);
                return Field25519.Encode(_x2);
            }

            public void Wipe()
            {
                Secrets.Wipe(_x1, _x2, _z2, _x3, _z3, _a, _aa, _b, _bb, _c, _d, _e);
            }

            private static long[] New()
            {
                return new long[Field25519.Limbs];
            }
        }
    }
}
