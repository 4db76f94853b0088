using System;

namespace Fastway.Multiplexing
{
    /// <summary>Says when to ping, and finds a gateway that is gone without a word. Times are in milliseconds.</summary>
    internal sealed class KeepAlive
    {
        private readonly long _interval;
        private readonly long _lookInterval;
        private readonly long _patience;
        private long _nextPing;
        private long _nextLook;
        private long _lastTurn;
        private bool _isStopped;

        /// <summary>The first look after which nothing was heard; or never.</summary>
        private long _silentSince = Never;

        /// <summary>When the first ping went out that nothing was heard after; or never.</summary>
        private long _unansweredSince = Never;

        private const long Never = long.MaxValue;

        /// <summary>
        /// Pings every interval, and looks as often at least whether something has come. A gateway that has said nothing from one
        /// look to the next is pinged, and judged when it has been silent for longer than the patience; 0: never.
        /// </summary>
        public KeepAlive(long interval, long lookInterval, long patience)
        {
            _interval = interval;
            _lookInterval = lookInterval;
            _patience = patience;
        }

        /// <summary>As the options say. A session has a time of its own for a silent gateway, which is noticed within one and a half
        /// times that.</summary>
        public static KeepAlive For(EndPointOptions options)
        {
            var interval = (long)options.PingInterval.TotalMilliseconds;
            if (options.Session == null)
            {
                return new KeepAlive(interval, interval, interval * options.DeadAfterIntervals);
            }
            var patience = (long)options.Session.SilentAfter.TotalMilliseconds;
            return new KeepAlive(interval, patience > 0 ? Math.Min(interval, AtLeastOne(patience / 2.0)) : interval, patience);
        }

        /// <summary>
        /// As in the original: a ping whose answer does not come within the timeout. Without an interval there are no pings.
        /// </summary>
        public static KeepAlive Original(double interval, double timeout)
        {
            return interval <= 0
                ? new KeepAlive(0, 0, 0)
                : new KeepAlive(AtLeastOne(interval), AtLeastOne(interval), AtLeastOne(timeout));
        }

        /// <summary>The link is pinged at all.</summary>
        public bool IsOn
        {
            get { return _interval > 0 && !_isStopped; }
        }

        /// <summary>The link begins, or begins anew.</summary>
        public void Start(long now)
        {
            _lastTurn = now;
            _nextPing = now + _interval;
            _nextLook = now + _lookInterval;
            Heard();
        }

        /// <summary>No ping is due until they go on; the answer to one that was sent is still waited for.</summary>
        public void StopPings()
        {
            _isStopped = true;
        }

        /// <summary>Pings are due again, the first one after an interval.</summary>
        public void GoOn(long now)
        {
            if (_isStopped)
            {
                _isStopped = false;
                _nextPing = now + _interval;
                _nextLook = now + _lookInterval;
            }
        }

        /// <summary>Something came, or nobody listened.</summary>
        public void Heard()
        {
            _silentSince = _unansweredSince = Never;
        }

        /// <summary>A ping is due, and counts as sent.</summary>
        public bool IsPingDue(long now)
        {
            if (!IsOn || now < _nextLook)
            {
                return false;
            }
            _nextLook = now + _lookInterval;
            var wasSilent = _silentSince != Never;
            _silentSince = Math.Min(_silentSince, now);
            if (!wasSilent && now < _nextPing)
            {
                return false;
            }
            _nextPing = now + _interval;
            _unansweredSince = Math.Min(_unansweredSince, now);
            return true;
        }

        /// <summary>
        /// Nothing has come for too long, though the gateway was asked and had time to answer. A program that had no turn for
        /// longer than between two looks (it was suspended) first has to ask again.
        /// </summary>
        public bool IsSilent(long now)
        {
            var slept = _interval > 0 && now - _lastTurn > _lookInterval;
            _lastTurn = now;
            if (slept)
            {
                _nextPing = _nextLook = now;
                Heard();
            }
            return _patience > 0 && _unansweredSince != Never
                && now - _silentSince >= _patience && now - _unansweredSince >= Math.Min(_lookInterval, _patience);
        }

        private static long AtLeastOne(double milliseconds)
        {
            return Math.Max(1, (long)milliseconds);
        }
    }
}
