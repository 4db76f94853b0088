using System;
using Fastway;

namespace Peer
{
    /// <summary>
    /// What carries the connections: <c>plain</c>, <c>legacy</c>, <c>legacy-encrypted</c>, <c>secure</c>, or
    /// <c>secure:KEY</c> with the gateway's public key in hexadecimal digits.
    /// </summary>
    internal static class LinkKind
    {
        private const string Pinned = "secure:";

        public static SessionOptions Parse(string kind)
        {
            switch (kind)
            {
                case "plain":
                    return null;
                case "legacy":
                    return SessionOptions.Legacy(false);
                case "legacy-encrypted":
                    return SessionOptions.Legacy(true);
                case "secure":
                    return SessionOptions.Secure(null);
            }
            if (!kind.StartsWith(Pinned, StringComparison.Ordinal))
            {
                throw new ArgumentException("no kind of link: " + kind);
            }
            return SessionOptions.Secure(Bytes(kind.Substring(Pinned.Length)));
        }

        private static byte[] Bytes(string digits)
        {
            var bytes = new byte[digits.Length / 2];
            for (var at = 0; at < bytes.Length; at++)
            {
                bytes[at] = Convert.ToByte(digits.Substring(2 * at, 2), 16);
            }
            return bytes;
        }
    }
}
