using System;

namespace Fastway.Crypto
{
    /// <summary>The key derivation HKDF (RFC 5869) with SHA-256.</summary>
    internal static class Hkdf
    {
        private static readonly byte[] Nothing = new byte[0];

        /// <summary>As many keys of 32 bytes as are asked for, as Noise derives them: the salt is its chaining key, and
        /// there is no info.</summary>
        public static byte[][] Keys(byte[] salt, byte[] material, int count)
        {
            var secret = Extract(salt, material);
            var keys = new byte[count][];
            var previous = Nothing;
            for (var i = 0; i < count; i++)
            {
                previous = Next(secret, previous, Nothing, i);
                keys[i] = previous;
            }
            Array.Clear(secret, 0, secret.Length);
            return keys;
        }

        /// <summary>A key that is as good as random, of material that need not be.</summary>
        public static byte[] Extract(byte[] salt, byte[] material)
        {
            return HmacSha256.Of(salt, material);
        }

        /// <summary>Block <paramref name="index"/> of what a key is expanded to.</summary>
        public static byte[] Next(byte[] secret, byte[] previous, byte[] info, int index)
        {
            return HmacSha256.Of(secret, previous, info, new[] { (byte)(index + 1) });
        }
    }
}
