using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>An open or a resume whose reply is not there yet.</summary>
    internal sealed class SecureAttempt : Attempt
    {
        public SecureAttempt(byte[] hello, Handshake handshake)
            : base(hello)
        {
            Handshake = handshake;
        }

        public Handshake Handshake { get; }

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
        }
    }
}
