using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>What stands in a record.</summary>
    internal enum RecordKind : byte
    {
        /// <summary>Bytes of the stream.</summary>
        Data,
        /// <summary>How much was received, and perhaps bytes of the stream.</summary>
        Ack,
        /// <summary>The stream of this direction ends.</summary>
        Close,
        /// <summary>The session is over.</summary>
        Abort,
    }

    /// <summary>
    /// The plaintext of a record (docs/protocol.md §3.2): <c>bytes | trailer</c>. What it is stands in its last byte, so that
    /// the stream's bytes stand first.
    /// </summary>
    internal struct Record
    {
        /// <summary>Bytes of the length in front of a ciphertext.</summary>
        public const int LenBytes = 2;
        /// <summary>Most bytes of a ciphertext.</summary>
        public const int MaxCiphertextBytes = 16384;
        /// <summary>Fewest bytes of a ciphertext: tag and kind.</summary>
        public const int MinCiphertextBytes = ChaChaPoly.TagBytes + 1;
        /// <summary>Most bytes that a record takes on the wire.</summary>
        public const int MaxBytes = LenBytes + MaxCiphertextBytes;

        /// <summary>Bytes of a record beside those of the stream, without an acknowledgement and with one.</summary>
        public const int DataOverhead = LenBytes + 1 + ChaChaPoly.TagBytes;
        public const int AckOverhead = DataOverhead + CountBytes;

        private const int CountBytes = 8;

        public RecordKind Kind;
        /// <summary>Bytes of the stream.</summary>
        public int StreamBytes;
        /// <summary>The count of an acknowledgement.</summary>
        public ulong Received;
        /// <summary>The reason of an abort.</summary>
        public byte Reason;

        /// <summary>Reads a plaintext; false if it makes no sense.</summary>
        public static bool TryRead(byte[] bytes, int offset, int count, out Record record)
        {
            record = default(Record);
            if (count == 0)
            {
                return false;
            }
            var body = count - 1;
            record.Kind = (RecordKind)bytes[offset + body];
            switch (record.Kind)
            {
                case RecordKind.Data:
                    record.StreamBytes = body;
                    return body > 0;
                case RecordKind.Ack:
                    if (body < CountBytes)
                    {
                        return false;
                    }
                    record.StreamBytes = body - CountBytes;
                    record.Received = LittleEndian.ReadUInt64(bytes, offset + record.StreamBytes);
                    return true;
                case RecordKind.Close:
                    return body == 0;
                case RecordKind.Abort:
                    record.Reason = bytes[offset];
                    return body == 1;
                default:
                    return false;
            }
        }

        /// <summary>Writes the trailer of a plaintext, and says how many bytes that is.</summary>
        public int WriteTrailer(byte[] to, int at)
        {
            var body = 0;
            if (Kind == RecordKind.Ack)
            {
                LittleEndian.Write(Received, to, at);
                body = CountBytes;
            }
            else if (Kind == RecordKind.Abort)
            {
                to[at] = Reason;
                body = 1;
            }
            to[at + body] = (byte)Kind;
            return body + 1;
        }
    }
}
