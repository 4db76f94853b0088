using System;
using System.Security.Cryptography;

namespace Fastway.Crypto
{
    /// <summary>The hash MD5, by which servers and old sessions prove that they know a key.</summary>
    internal static class Md5
    {
        /// <summary>Bytes of a hash.</summary>
        public const int HashBytes = 16;

        /// <summary>The hash of a message and then a key.</summary>
        public static byte[] Digest(byte[] message, byte[] key)
        {
            var both = new byte[message.Length + key.Length];
            message.CopyTo(both, 0);
            key.CopyTo(both, message.Length);
            using (var md5 = new MD5CryptoServiceProvider())
            {
                var hash = md5.ComputeHash(both);
                Array.Clear(both, 0, both.Length);
                return hash;
            }
        }
    }
}
