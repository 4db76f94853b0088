using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>An open or a resume whose reply is not there yet.</summary>
    internal sealed class SecureAttempt : Attempt
    {
        private byte[] _payload;

        public SecureAttempt(byte[] hello, uint number, ulong told, Handshake handshake)
            : base(hello)
        {
            Number = number;
            Told = told;
            Handshake = handshake;
        }

        /// <summary>From 1 on; 0 for an open.</summary>
        public uint Number { get; }

        /// <summary>Count of what was received, as the first message tells.</summary>
        public ulong Told { get; }

        public Handshake Handshake { get; }

        /// <summary>The payload of the noise message of the reply; null if that is not authentic.</summary>
        public byte[] Read(byte[] message)
        {
            return _payload ?? (_payload = Handshake.Read(message));
        }

        public override bool IsAuthentic(byte[] reply)
        {
            return Read(Bytes.Slice(reply, Messages.ReplyHeadBytes, LittleEndian.ReadUInt16(reply, 1))) != null;
        }

        public override bool IsAnswered(byte[] bytes, int count)
        {
            if (count == 0)
            {
                return false;
            }
            if (bytes[0] != Status.Ok)
            {
                return bytes[0] != Status.Overloaded || count >= Messages.OverloadedBytes;
            }
            return count >= Messages.ReplyHeadBytes
                && count >= Messages.ReplyHeadBytes + LittleEndian.ReadUInt16(bytes, 1);
        }

        public override bool IsRefusedBy(byte[] reply)
        {
            return reply[0] != Status.Ok;
        }

        public override void Forget()
        {
            Handshake.Wipe();
            if (_payload != null)
            {
                Secrets.Wipe(_payload);
            }
        }
    }
}
