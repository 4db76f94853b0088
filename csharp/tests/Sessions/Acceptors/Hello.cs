using System;
using Fastway.Crypto;
using Fastway.Sessions.Secure;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The first message of a cable, taken apart.</summary>
    internal sealed class Hello
    {
        private const byte LegacyNew = 0x00;
        private const byte LegacyReconnect = 0xff;
        private const byte Open = 0x01;
        private const byte Resume = 0x02;

        private Hello(byte kind, byte[] head, byte[] message)
        {
            Kind = kind;
            Head = head;
            Message = message;
        }

        public byte Kind { get; }

        /// <summary>What precedes the message: kind and fields, and the length of a noise message.</summary>
        public byte[] Head { get; }

        /// <summary>A noise message; nothing in legacy sessions.</summary>
        public byte[] Message { get; }

        public bool IsResume
        {
            get { return Kind == Resume || Kind == LegacyReconnect; }
        }

        public byte Pattern
        {
            get { return Head[1]; }
        }

        /// <summary>The session to resume, as on the wire.</summary>
        public byte[] Session
        {
            get { return Bytes.Slice(Head, 1, Kind == Resume ? Ticket.IdBytes : 8); }
        }

        public uint Attempt
        {
            get { return LittleEndian.ReadUInt32(Head, 1 + Ticket.IdBytes); }
        }

        /// <summary>Reads it; null while some of it is missing.</summary>
        public static Hello Read(byte[] bytes)
        {
            if (bytes.Length == 0)
            {
                return null;
            }
            var headBytes = HeadBytes(bytes[0]);
            if (bytes.Length < headBytes)
            {
                return null;
            }
            var isSecure = bytes[0] == Open || bytes[0] == Resume;
            var messageBytes = isSecure ? LittleEndian.ReadUInt16(bytes, headBytes - 2) : 0;
            if (messageBytes > Messages.MaxNoiseBytes)
            {
                throw new FormatException("BadLength");
            }
            if (bytes.Length > headBytes + messageBytes)
            {
                throw new FormatException("Early");
            }
            return bytes.Length < headBytes + messageBytes
                ? null
                : new Hello(bytes[0], Bytes.Slice(bytes, 0, headBytes), Bytes.Slice(bytes, headBytes));
        }

        private static int HeadBytes(byte kind)
        {
            switch (kind)
            {
                case LegacyNew: return 1 + 8;
                case LegacyReconnect: return 1 + 24 + Md5.HashBytes;
                case Open: return 4;
                case Resume: return 1 + Ticket.IdBytes + 4 + 2;
                default: throw new FormatException("NoSession");
            }
        }
    }
}
