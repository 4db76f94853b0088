using System;

namespace Fastway.Links
{
    /// <summary>
    /// How long an attempt to get a session a transport is alone before it gets another one beside it. A gateway that is slow to
    /// answer must not be asked again and again by everybody: so the delays depend on how long it took to answer before, and each
    /// is about twice as long as the one before. Times are in milliseconds.
    /// </summary>
    internal sealed class Delays
    {
        /// <summary>
        /// Without a connection: the longest first delay, of which the real one is at least half; and the same in times of an
        /// answered attempt, where that is longer. A crowd that comes back at once is answered within a second or two, and should
        /// not have asked twice by then.
        /// </summary>
        private const long FirstUnconnected = 1000;
        private const long FirstUnconnectedAgain = 500;
        private const long AnswersUnconnected = 3;

        /// <summary>
        /// With a connection: the least first delay; the real one is up to half longer. Where an attempt was answered before it is
        /// so many times as long as that took, and this at least.
        /// </summary>
        private const long FirstConnected = 1000;
        private const long FirstConnectedAgain = 300;
        private const long AnswersConnected = 2;

        /// <summary>One attempt that takes twice as long as those before, and this, teaches no more than that: a packet that was
        /// lost is no sign of a slow gateway.</summary>
        private const long MostVariance = 100;

        private const long Unknown = -1;

        private readonly long _longest;
        private readonly Random _random;

        /// <summary>How long attempts took that were answered: the newer they are, the more they count.</summary>
        private long _answeredAfter = Unknown;

        /// <summary>Delays of this way back without a connection; null before the first.</summary>
        private Pauses _unconnected;

        /// <summary>The next delay with a connection, at least.</summary>
        private long _connected;

        private long _unconnectedDue;
        private long _connectedDue;

        /// <summary>Delays up to the time of one attempt.</summary>
        public Delays(TimeSpan longest, Random random)
        {
            _longest = (long)longest.TotalMilliseconds;
            _random = random;
        }

        /// <summary>How long an attempt with a connection is alone at least, at first.</summary>
        public long LeastConnected
        {
            get
            {
                return Shortened(_answeredAfter == Unknown
                    ? FirstConnected
                    : Math.Max(FirstConnectedAgain, AnswersConnected * _answeredAfter));
            }
        }

        /// <summary>An attempt was answered after so long.</summary>
        public void Learn(long took)
        {
            var known = _answeredAfter == Unknown ? took : _answeredAfter;
            _answeredAfter = (known + Math.Min(took, 2 * known + MostVariance)) / 2;
        }

        /// <summary>An attempt has begun to which others may be beside.</summary>
        public void Begin(long now)
        {
            if (_unconnected == null)
            {
                _unconnected = new Pauses(TimeSpan.FromMilliseconds(LongestUnconnected), TimeSpan.FromMilliseconds(_longest), _random);
                _connected = LeastConnected;
            }
            _unconnectedDue = now + _unconnected.Next();
            _connectedDue = now + _connected + (long)(_random.NextDouble() * _connected / 2);
            _connected = Shortened(2 * _connected);
        }

        /// <summary>The next attempt begins at this time.</summary>
        public void BeginAt(long time)
        {
            _unconnectedDue = _connectedDue = time;
        }

        /// <summary>When the next attempt is due, beside one that has a connection or where none has one.</summary>
        public long Due(bool isConnected)
        {
            return isConnected ? _connectedDue : _unconnectedDue;
        }

        /// <summary>The gateway is there, and slow: attempts beside others come as late as they may.</summary>
        public void Slow()
        {
            var longest = TimeSpan.FromMilliseconds(_longest);
            _unconnected = new Pauses(longest, longest, _random);
            _connected = _longest;
        }

        /// <summary>The next delay is the first again.</summary>
        public void Reset()
        {
            _unconnected = null;
        }

        private long LongestUnconnected
        {
            get
            {
                return Shortened(_answeredAfter == Unknown
                    ? FirstUnconnected
                    : Math.Max(FirstUnconnectedAgain, AnswersUnconnected * _answeredAfter));
            }
        }

        private long Shortened(long delay)
        {
            return Math.Min(delay, _longest);
        }
    }
}
