namespace Fastway.Sessions.Secure
{
    /// <summary>Counts of what this end receives.</summary>
    internal sealed class Incoming
    {
        /// <summary>Bytes received and not acknowledged that are acknowledged without waiting for more.</summary>
        private const ulong AckAtOnceBytes = 16 * 1024;
        /// <summary>Longest that an acknowledgement waits for something to travel with, in milliseconds.</summary>
        private const long AckDelay = 100;

        /// <summary>What the other end was last told.</summary>
        private ulong _told;

        /// <summary>Bytes, and one for the close.</summary>
        public ulong Received { get; private set; }

        public bool IsClosed { get; private set; }

        /// <summary>When the other end must be told.</summary>
        public long AckDue { get; private set; } = Life.Never;

        /// <summary>Takes bytes of the stream; false if they follow its close.</summary>
        public bool Take(int bytes, long now)
        {
            if (bytes == 0)
            {
                return true;
            }
            if (IsClosed)
            {
                return false;
            }
            Received += (ulong)bytes;
            Owe(now);
            return true;
        }

        /// <summary>Takes the close; false if it was there before.</summary>
        public bool Close(long now)
        {
            if (IsClosed)
            {
                return false;
            }
            IsClosed = true;
            Received++;
            Owe(now);
            return true;
        }

        /// <summary>Whether something was received that the other end was not told of.</summary>
        public bool HasNews
        {
            get { return _told < Received; }
        }

        /// <summary>Whether that must be told even when there is nothing else to send.</summary>
        public bool IsUrgent(long now)
        {
            return HasNews && (IsClosed || Received - _told >= AckAtOnceBytes || AckDue <= now);
        }

        /// <summary>The other end is being told all of it.</summary>
        public ulong Tell()
        {
            _told = Received;
            AckDue = Life.Never;
            return Received;
        }

        private void Owe(long now)
        {
            if (AckDue == Life.Never)
            {
                AckDue = now + AckDelay;
            }
        }
    }
}
