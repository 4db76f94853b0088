using System.Text;
using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>The layout of the handshake's messages (docs/protocol.md §3.1).</summary>
    internal static class Messages
    {
        /// <summary><c>status | len</c></summary>
        public const int ReplyHeadBytes = 1 + LenBytes;
        /// <summary><c>status | retry-after</c>, the refusal of an acceptor that is overloaded. An older one sends the status
        /// alone.</summary>
        public const int OverloadedBytes = 1 + 2;
        /// <summary>Most bytes of a noise message.</summary>
        public const int MaxNoiseBytes = 1024;

        private const byte Open = 0x01;
        private const byte Resume = 0x02;
        private const int LenBytes = 2;

        private static readonly byte[] Label = Encoding.ASCII.GetBytes("fastway session 1");

        /// <summary>What precedes noise message 1 of an open.</summary>
        public static byte[] OpenHead(byte pattern, ushort noiseBytes)
        {
            var head = new byte[2 + LenBytes];
            head[0] = Open;
            head[1] = pattern;
            LittleEndian.Write(noiseBytes, head, 2);
            return head;
        }

        /// <summary>What precedes noise message 1 of a resume.</summary>
        public static byte[] ResumeHead(byte[] id, uint attempt, ushort noiseBytes)
        {
            var head = new byte[1 + Ticket.IdBytes + 4 + LenBytes];
            head[0] = Resume;
            id.CopyTo(head, 1);
            LittleEndian.Write(attempt, head, 1 + Ticket.IdBytes);
            LittleEndian.Write(noiseBytes, head, 1 + Ticket.IdBytes + 4);
            return head;
        }

        /// <summary>What is hashed into a handshake before its first message.</summary>
        public static byte[] Prologue(byte[] head)
        {
            return Bytes.Concat(Label, head);
        }

        /// <summary>A count as a payload.</summary>
        public static byte[] Count(ulong count)
        {
            var payload = new byte[8];
            LittleEndian.Write(count, payload, 0);
            return payload;
        }
    }
}
