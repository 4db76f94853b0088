using System;
using Fastway.Crypto;

namespace Fastway.Wire
{
    /// <summary>A frame (docs/protocol.md §1.1): the payload lies in the reader's memory, until the reader reads on.</summary>
    internal struct Frame
    {
        public const int LenBytes = 4;
        public const int ConnIdBytes = 4;
        public const int HeaderBytes = LenBytes + ConnIdBytes;

        /// <summary>The ConnID of frames that carry a command.</summary>
        public const uint CommandConnId = 0;

        public readonly uint ConnId;
        public readonly ArraySegment<byte> Payload;

        public Frame(uint connId, ArraySegment<byte> payload)
        {
            ConnId = connId;
            Payload = payload;
        }

        public static void WriteHeader(byte[] to, int at, uint connId, int payloadBytes)
        {
            LittleEndian.Write((uint)(ConnIdBytes + payloadBytes), to, at);
            LittleEndian.Write(connId, to, at + LenBytes);
        }
    }

    /// <summary>What a reader found at the front of its bytes.</summary>
    internal enum FrameStatus
    {
        /// <summary>The start of a frame, or nothing.</summary>
        Incomplete,

        /// <summary>A frame.</summary>
        Complete,

        /// <summary>A length that leaves no room for a ConnID.</summary>
        TooShort,

        /// <summary>A length above MaxPacket.</summary>
        TooLong
    }
}
