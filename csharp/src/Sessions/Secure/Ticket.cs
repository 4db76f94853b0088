using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>What it takes to resume a session.</summary>
    internal sealed class Ticket
    {
        public const int IdBytes = 16;
        public const int SecretBytes = 32;
        /// <summary>Bytes of both.</summary>
        public const int TotalBytes = IdBytes + SecretBytes;

        /// <summary>Reads the ticket at the front of a payload, which is long enough.</summary>
        public Ticket(byte[] payload)
        {
            Id = Bytes.Slice(payload, 0, IdBytes);
            Secret = Bytes.Slice(payload, IdBytes, SecretBytes);
        }

        public byte[] Id { get; }

        public byte[] Secret { get; }

        /// <summary>Forgets the secret: a newer ticket takes its place, or the session is over.</summary>
        public void Wipe()
        {
            Secrets.Wipe(Secret);
        }
    }
}
