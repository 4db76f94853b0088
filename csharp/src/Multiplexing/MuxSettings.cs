using System.Text;

namespace Fastway.Multiplexing
{
    /// <summary>What the options come to for one role.</summary>
    internal sealed class MuxSettings
    {
        private const int KiB = 1 << 10;
        private const int MiB = 1 << 20;

        public MuxSettings(Role role, EndPointOptions options, uint serverId, string authKey)
        {
            Role = role;
            ServerId = serverId;
            AuthKey = Encoding.UTF8.GetBytes(authKey ?? "");
            MaxPacket = options.MaxPacket;
            ReceiveMessages = options.ReceiveMessages;
            ReceiveBytes = options.ReceiveBytes;
            ReceiveTotalBytes = OrElse(options.ReceiveTotalBytes, 16 * MiB, 128 * MiB);
            SendBufferBytes = OrElse(options.SendBufferBytes, 256 * KiB, MiB);
            ReadBlockBytes = OrElse(0, 16 * KiB, 64 * KiB);
            PendingAccepts = options.PendingAccepts;
            DialTimeout = (long)options.DialTimeout.TotalMilliseconds;
            Holds = options.WhenFull == WhenFull.Default ? role == Role.Client : options.WhenFull == WhenFull.Hold;
        }

        public Role Role { get; private set; }

        public uint ServerId { get; private set; }

        public byte[] AuthKey { get; private set; }

        public int MaxPacket { get; private set; }

        public int ReceiveMessages { get; private set; }

        public int ReceiveBytes { get; private set; }

        public int ReceiveTotalBytes { get; private set; }

        public int SendBufferBytes { get; private set; }

        public int ReadBlockBytes { get; private set; }

        public int PendingAccepts { get; private set; }

        /// <summary>In milliseconds.</summary>
        public long DialTimeout { get; private set; }

        /// <summary>A full queue holds the link; else it closes its connection.</summary>
        public bool Holds { get; private set; }

        /// <summary>The longest payload of one message.</summary>
        public int MaxMessage
        {
            get { return MaxPacket - Wire.Frame.ConnIdBytes; }
        }

        private int OrElse(int set, int client, int server)
        {
            return set > 0 ? set : Role == Role.Client ? client : server;
        }
    }
}
