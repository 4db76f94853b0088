using System.Collections.Generic;

namespace Fastway.Multiplexing
{
    /// <summary>
    /// Keeps what waits to be received within its bounds: of each connection, and of all together. It says when the link
    /// is not to be read, and who must be closed.
    /// </summary>
    internal sealed class Unread
    {
        private readonly MuxSettings _settings;
        private int _holding;
        private bool _holdsAll;

        public Unread(MuxSettings settings)
        {
            _settings = settings;
        }

        /// <summary>What waits on all connections.</summary>
        public int Bytes { get; private set; }

        /// <summary>The link is not to be read.</summary>
        public bool HoldsLink
        {
            get { return _holding > 0 || _holdsAll; }
        }

        /// <summary>Too much waits on all connections together.</summary>
        public bool IsOver
        {
            get { return Bytes >= _settings.ReceiveTotalBytes && !_holdsAll; }
        }

        /// <summary>Whether another message would be too much for a connection that must not hold the link.</summary>
        public bool Overflows(Channel channel)
        {
            return !MayHold(channel) && IsFull(channel);
        }

        public void Added(Channel channel, int bytes)
        {
            Bytes += bytes;
            if (!channel.Holding && IsFull(channel) && MayHold(channel))
            {
                channel.Holding = true;
                _holding++;
            }
        }

        public void Taken(Channel channel, int bytes)
        {
            Bytes -= bytes;
            if (channel.Holding && IsLow(channel))
            {
                Release(channel);
            }
            if (Bytes <= _settings.ReceiveTotalBytes / 2)
            {
                _holdsAll = false;
            }
        }

        /// <summary>What waits on the connection is gone, and does not hold the link.</summary>
        public void ThrownAway(Channel channel)
        {
            var bytes = channel.Inbox.Bytes;
            channel.Inbox.Clear();
            Taken(channel, bytes);
        }

        public void Release(Channel channel)
        {
            if (channel.Holding)
            {
                channel.Holding = false;
                _holding--;
            }
        }

        public void HoldAll()
        {
            _holdsAll = true;
        }

        /// <summary>Of those that must not hold the link, or have ended, the one with most bytes; null if there is none.</summary>
        public Channel LargestToLose(Dictionary<uint, Channel> channels)
        {
            Channel largest = null;
            foreach (var entry in channels)
            {
                var channel = entry.Value;
                if (channel.Inbox.Bytes > (largest == null ? 0 : largest.Inbox.Bytes) && !(MayHold(channel) && channel.IsOpen))
                {
                    largest = channel;
                }
            }
            return largest;
        }

        private bool MayHold(Channel channel)
        {
            return _settings.Holds && channel.HandedOut;
        }

        private bool IsFull(Channel channel)
        {
            return channel.Inbox.Messages >= _settings.ReceiveMessages || channel.Inbox.Bytes >= _settings.ReceiveBytes;
        }

        private bool IsLow(Channel channel)
        {
            return channel.Inbox.Messages <= _settings.ReceiveMessages / 2 && channel.Inbox.Bytes <= _settings.ReceiveBytes / 2;
        }
    }
}
