using System;

namespace Fastway.Tests.Support
{
    /// <summary>The kinds of links, what a gateway is started with for them, and what an end point is told.</summary>
    internal static class LinkKind
    {
        public const string Plain = "plain";
        public const string Legacy = "legacy";
        public const string LegacyEncrypted = "legacy-encrypted";
        public const string Secure = "secure";
        public const string Pinned = "pinned";

        private static readonly Lazy<KeyPair> Key = new Lazy<KeyPair>(KeyPair.Generate);

        /// <summary>The gateway's public key, in hexadecimal digits.</summary>
        public static string PublicKey
        {
            get { return Key.Value.Public; }
        }

        public static string[] Flags(string kind)
        {
            if (kind == Plain)
            {
                return new string[0];
            }
            var link = kind.StartsWith(Legacy, StringComparison.Ordinal) ? Legacy : Secure;
            var encrypt = kind == LegacyEncrypted ? "--client-snet-encrypt --server-snet-encrypt" : "";
            return new[] { "--client-link", link, "--server-link", link, "--session-key", Key.Value.File, encrypt };
        }

        /// <summary>What the peers of the interop suites call it.</summary>
        public static string Argument(string kind)
        {
            return kind == Pinned ? "secure:" + PublicKey : kind;
        }

        public static SessionOptions Options(string kind)
        {
            switch (kind)
            {
                case Plain:
                    return null;
                case Secure:
                    return SessionOptions.Secure(null);
                case Pinned:
                    return SessionOptions.Secure(Vectors.Hex.Decode(PublicKey));
                default:
                    return SessionOptions.Legacy(kind == LegacyEncrypted);
            }
        }
    }
}
