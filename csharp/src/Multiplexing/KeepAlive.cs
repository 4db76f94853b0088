using System;

namespace Fastway.Multiplexing
{
    /// <summary>Says when to ping, and finds a gateway that is gone without a word. Times are in milliseconds.</summary>
    internal sealed class KeepAlive
    {
        private readonly long _interval;
        private readonly long _patience;
        private long _nextPing;
        private long _lastLook;

        /// <summary>When the first ping went out that nothing was heard after; or never.</summary>
        private long _unansweredSince = Never;

        private const long Never = long.MaxValue;

        /// <summary>Pings every interval, and judges a silence that lasts for longer than the patience; 0: never.</summary>
        public KeepAlive(long interval, long patience)
        {
            _interval = interval;
            _patience = patience;
        }

        /// <summary>As the options say: a session has a time of its own for a silent gateway.</summary>
        public static KeepAlive For(EndPointOptions options)
        {
            var interval = (long)options.PingInterval.TotalMilliseconds;
            if (options.Session == null)
            {
                return new KeepAlive(interval, interval * options.DeadAfterIntervals);
            }
            var patience = (long)options.Session.SilentAfter.TotalMilliseconds;
            return new KeepAlive(Math.Min(interval, patience), patience);
        }

        /// <summary>The link begins, or begins anew.</summary>
        public void Start(long now)
        {
            _lastLook = now;
            _nextPing = now + _interval;
            _unansweredSince = Never;
        }

        /// <summary>Something came, or nobody listened.</summary>
        public void Heard()
        {
            _unansweredSince = Never;
        }

        /// <summary>A ping is due, and counts as sent.</summary>
        public bool IsPingDue(long now)
        {
            if (_interval <= 0 || now < _nextPing)
            {
                return false;
            }
            _nextPing = now + _interval;
            _unansweredSince = Math.Min(_unansweredSince, now);
            return true;
        }

        /// <summary>
        /// Nothing has come for too long. A program that has not looked for longer than an interval (it was suspended)
        /// first has to ask again.
        /// </summary>
        public bool IsSilent(long now)
        {
            var slept = _interval > 0 && now - _lastLook > _interval;
            _lastLook = now;
            if (slept)
            {
                _nextPing = now;
                _unansweredSince = Never;
            }
            return _patience > 0 && _unansweredSince != Never && now - _unansweredSince >= _patience;
        }
    }
}
