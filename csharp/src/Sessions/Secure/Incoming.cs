using System;

namespace Fastway.Sessions.Secure
{
    /// <summary>Counts of what this end receives.</summary>
    internal sealed class Incoming
    {
        /// <summary>Bytes received and not acknowledged that are acknowledged without waiting for more.</summary>
        private const ulong AckAtOnceBytes = 16 * 1024;
        /// <summary>Longest that an acknowledgement waits for something to travel with, in milliseconds.</summary>
        private const long AckDelay = 100;

        /// <summary>What was last acknowledged to the other end.</summary>
        private ulong _ackedToPeer;

        /// <summary>Count before which the transport in use has brought everything, again or for the first time. Only that is
        /// acknowledged.</summary>
        private ulong _brought;

        /// <summary>How many of the last bytes received are not acknowledged for now.</summary>
        private ulong _withheld;

        private long _ackDue = Lifecycle.Never;

        /// <summary>Bytes, and one for the close.</summary>
        public ulong Received { get; private set; }

        public bool IsClosed { get; private set; }

        /// <summary>When the other end must get an acknowledgement.</summary>
        public long AckDue
        {
            get { return OwesAck ? _ackDue : Lifecycle.Never; }
        }

        /// <summary>Takes bytes of the stream, the last of which are new: the others came by an older transport. False if they
        /// follow its close.</summary>
        public bool Take(int bytes, long now, out int fresh)
        {
            fresh = 0;
            if (bytes == 0)
            {
                return true;
            }
            var end = _brought + (ulong)bytes;
            if (end > Received)
            {
                if (IsClosed)
                {
                    return false;
                }
                fresh = (int)Math.Min(end - Received, (ulong)bytes);
                Received = end;
            }
            _brought = end;
            Owe(now);
            return true;
        }

        /// <summary>Takes the close, again or for the first time; false if something follows it.</summary>
        public bool Close(long now)
        {
            var isAgain = IsClosed && _brought + 1 == Received;
            if (!isAgain && (IsClosed || _brought < Received))
            {
                return false;
            }
            IsClosed = true;
            Received = ++_brought;
            Owe(now);
            return true;
        }

        /// <summary>Has the last bytes received not be acknowledged until this is called again with less.</summary>
        public void Withhold(int bytes, long now)
        {
            _withheld = (ulong)bytes;
            if (OwesAck)
            {
                Owe(now);
            }
        }

        /// <summary>Whether there is something to acknowledge.</summary>
        public bool OwesAck
        {
            get { return _ackedToPeer < Acknowledgeable; }
        }

        /// <summary>Whether everything is acknowledged.</summary>
        public bool IsAllAcked
        {
            get { return _ackedToPeer == Received; }
        }

        /// <summary>The count that can be acknowledged; what was acknowledged is never taken back.</summary>
        private ulong Acknowledgeable
        {
            get { return Math.Max(_ackedToPeer, Math.Min(_brought, Received - _withheld)); }
        }

        /// <summary>Whether that must be acknowledged even when there is nothing else to send.</summary>
        public bool IsAckDue(long now)
        {
            return OwesAck && (IsClosed || Acknowledgeable - _ackedToPeer >= AckAtOnceBytes || _ackDue <= now);
        }

        /// <summary>The count is being acknowledged.</summary>
        public ulong TakeAck()
        {
            _ackedToPeer = Acknowledgeable;
            _ackDue = Lifecycle.Never;
            return _ackedToPeer;
        }

        /// <summary>The other end was told of so much with the first message of a transport. What came by an older one since
        /// then, it sends again.</summary>
        public void Begin(ulong told)
        {
            _ackedToPeer = _brought = told;
            _ackDue = Lifecycle.Never;
        }

        private void Owe(long now)
        {
            if (_ackDue == Lifecycle.Never)
            {
                _ackDue = now + AckDelay;
            }
        }
    }
}
