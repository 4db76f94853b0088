using System;
using Fastway.Sessions;

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
        /// Without a connection: the longest first delay, of which the real one is at least half; and the same in times that
        /// connecting took, where that is longer. A crowd that comes back at once is answered within a second or two, and should
        /// not have asked twice by then.
        /// </summary>
        private const long FirstUnconnected = 1000;
        private const long ConnectsUnconnected = 3;

        /// <summary>
        /// With a connection: the least first delay, of a gateway that has never replied and of one that has; the real one is up to
        /// half longer. And the same in times that the reply took, where that is longer.
        /// </summary>
        private const long FirstConnected = 1000;
        private const long FirstConnectedAgain = 500;
        private const long RepliesConnected = 2;

        /// <summary>A delay with a connection is at least so many times as long as getting that took.</summary>
        private const long ConnectsConnected = 2;

        private readonly long _longest;
        private readonly Random _random;

        /// <summary>How long connecting took, and the reply behind it.</summary>
        private long _connect;
        private long _reply;
        private bool _hasReplied;

        /// <summary>Delays of this way back without a connection; null before the first.</summary>
        private Pauses _unconnected;

        /// <summary>The next delay with a connection, at least.</summary>
        private long _connected;

        /// <summary>When the newest attempt began, and how long it is alone.</summary>
        private long _began;
        private long _unconnectedDelay;
        private long _connectedDelay;

        /// <summary>When the next attempt begins, whatever is under way; or never.</summary>
        private long _beginsAt = Lifecycle.Never;

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
                return Shortened(Math.Max(_hasReplied ? FirstConnectedAgain : FirstConnected, RepliesConnected * _reply));
            }
        }

        /// <summary>
        /// An attempt was answered: connecting took so long, and the reply so much more. A network or a gateway that has become
        /// slower is known at once; a packet that was lost is forgotten soon.
        /// </summary>
        public void Learn(long connect, long reply)
        {
            _connect = Math.Max(connect, (_connect + connect) / 2);
            _reply = Math.Max(reply, (_reply + reply) / 2);
            _hasReplied = true;
        }

        /// <summary>The next attempt begins beside those that are under way, after a delay from now on: one has just begun, or one
        /// was lost that others may have replaced.</summary>
        public void BeginBeside(long now)
        {
            if (_unconnected == null)
            {
                var longest = Math.Max(FirstUnconnected, ConnectsUnconnected * _connect);
                _unconnected = new Pauses(
                    TimeSpan.FromMilliseconds(Shortened(longest)), TimeSpan.FromMilliseconds(_longest), _random);
                _connected = LeastConnected;
            }
            _began = now;
            _unconnectedDelay = _unconnected.Next();
            _connectedDelay = _connected + (long)(_random.NextDouble() * _connected / 2);
            _connected = Shortened(2 * _connected);
            _beginsAt = Lifecycle.Never;
        }

        /// <summary>The next attempt begins at this time.</summary>
        public void BeginAt(long time)
        {
            _beginsAt = time;
        }

        /// <summary>When the next attempt is due, where this is the newest connection of those that are under way; null if none
        /// has one.</summary>
        public long Due(Connected newest)
        {
            if (_beginsAt != Lifecycle.Never)
            {
                return _beginsAt;
            }
            // What it took to connect says how long a reply takes at least.
            return newest == null
                ? _began + _unconnectedDelay
                : Math.Max(_began, newest.Since) + Math.Max(_connectedDelay, ConnectsConnected * newest.After);
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

        private long Shortened(long delay)
        {
            return Math.Min(delay, _longest);
        }
    }
}
