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
        private bool _isStopped;

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

        /// <summary>
        /// As in the original: a ping whose answer does not come within the timeout. Without an interval there are no pings.
        /// </summary>
        public static KeepAlive Original(double interval, double timeout)
        {
            return interval <= 0 ? new KeepAlive(0, 0) : new KeepAlive(AtLeastOne(interval), AtLeastOne(timeout));
        }

        /// <summary>The link begins, or begins anew.</summary>
        public void Start(long now)
        {
            _lastLook = now;
            _nextPing = now + _interval;
            _unansweredSince = Never;
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
            }
        }

        /// <summary>Something came, or nobody listened.</summary>
        public void Heard()
        {
            _unansweredSince = Never;
        }

        /// <summary>A ping is due, and counts as sent.</summary>
        public bool IsPingDue(long now)
        {
            if (_interval <= 0 || _isStopped || now < _nextPing)
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

        private static long AtLeastOne(double milliseconds)
        {
            return Math.Max(1, (long)milliseconds);
        }
    }
}
