using Fastway.Crypto;

namespace Fastway.Sessions.Legacy
{
    /// <summary>The layout of the handshake's messages (docs/protocol.md §2).</summary>
    internal static class LegacyMessages
    {
        /// <summary>Bytes of either reply: three numbers.</summary>
        public const int ReplyBytes = 24;

        private const byte New = 0x00;
        private const byte Reconnect = 0xff;

        /// <summary>The first message of a new session.</summary>
        public static byte[] NewSession(ulong publicKey)
        {
            var message = new byte[1 + 8];
            message[0] = New;
            LittleEndian.Write(publicKey, message, 1);
            return message;
        }

        /// <summary>The first message of a transport that goes on with a session.</summary>
        public static byte[] GoOn(ulong session, ulong written, ulong read, byte[] key)
        {
            var counts = new byte[24];
            LittleEndian.Write(session, counts, 0);
            LittleEndian.Write(written, counts, 8);
            LittleEndian.Write(read, counts, 16);
            return Bytes.Concat(new[] { Reconnect }, counts, Md5.Digest(counts, key));
        }

        /// <summary>A number as bytes: a key, or a challenge.</summary>
        public static byte[] Number(ulong number)
        {
            var bytes = new byte[8];
            LittleEndian.Write(number, bytes, 0);
            return bytes;
        }
    }
}
