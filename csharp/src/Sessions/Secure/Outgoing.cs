using System;

namespace Fastway.Sessions.Secure
{
    /// <summary>Counts of what this end sends. The close counts as one byte behind the last.</summary>
    internal sealed class Outgoing
    {
        /// <summary>The furthest that any transport was given.</summary>
        private ulong _sent;
        private bool _closeAcknowledged;

        /// <summary>Count of what the other end is known to have.</summary>
        public ulong Acknowledged { get; private set; }

        /// <summary>Whether the stream ends behind what the owner has written.</summary>
        public bool IsClosed { get; private set; }

        /// <summary>Whether the other end has all, the close included.</summary>
        public bool IsDone
        {
            get { return _closeAcknowledged; }
        }

        public void Close()
        {
            IsClosed = true;
        }

        /// <summary>Whether a transport can begin at <paramref name="count"/>.</summary>
        public bool CanContinueFrom(ulong count)
        {
            return Acknowledged <= count && count <= _sent;
        }

        /// <summary>Takes the other end's count, which came by a transport that was given everything before
        /// <paramref name="given"/>, and drops what it has. Says what is wrong with the count, or null.</summary>
        public string Acknowledge(ulong count, ulong given, ReplayBuffer unacked)
        {
            if (count < Acknowledged || count > given)
            {
                return "it counts " + count + " bytes as received, of " + Acknowledged + " acknowledged and " + given
                    + " sent";
            }
            var newly = count - Acknowledged;
            var bytes = (int)Math.Min(newly, (ulong)unacked.Count);
            unacked.Release(bytes);
            if (newly > (ulong)bytes)
            {
                _closeAcknowledged = true;
            }
            Acknowledged = count;
            return null;
        }

        /// <summary>Where in the unacknowledged bytes those stand that a transport needs next which was given everything before
        /// <paramref name="cursor"/>.</summary>
        public int PlaceOf(ulong cursor)
        {
            return (int)(cursor - Acknowledged);
        }

        /// <summary>Whether such a transport is to be given the close next.</summary>
        public bool IsCloseNext(ulong cursor, ReplayBuffer unacked)
        {
            return IsClosed && !_closeAcknowledged && PlaceOf(cursor) == unacked.Count;
        }

        /// <summary>A transport was given everything before <paramref name="cursor"/>.</summary>
        public void Gave(ulong cursor)
        {
            _sent = Math.Max(_sent, cursor);
        }
    }
}
