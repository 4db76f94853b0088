using System;
using Fastway.Sessions;

namespace Fastway.Links
{
    /// <summary>
    /// The time in which the gateway has to confirm a transport. A network can fall silent between the gateway's reply and the
    /// first byte behind it. So another transport is tried if the gateway does not confirm one soon, long before the silence would
    /// count as the end of an older one. Times are in milliseconds.
    /// </summary>
    internal sealed class Confirmation
    {
        private readonly long _longest;
        private readonly Random _random;

        /// <summary>
        /// Each transport in a row that was not confirmed has twice as long as the one before: a gateway that has no time to answer
        /// must not be asked again and again.
        /// </summary>
        private long _growth = 1;

        private long _time;
        private long _due = Lifecycle.Never;
        private long _lastLook;

        /// <summary>No transport has longer than this, and up to half of it more; 0: as long as it takes.</summary>
        public Confirmation(long longest, Random random)
        {
            _longest = longest;
            _random = random;
        }

        /// <summary>A transport is to be confirmed, within this time or up to half longer if those before it were.</summary>
        public void Expect(long time, long now)
        {
            if (_longest <= 0)
            {
                return;
            }
            _time = Math.Min(_longest, _growth * time);
            // More would change nothing.
            _growth = Math.Min(_longest, 2 * _growth);
            Begin(now);
        }

        /// <summary>
        /// All that has come was read, and does not confirm the transport. Says whether its time is over; once for each. If nobody
        /// has looked for so long, the confirmation may just be on its way, so the time begins anew.
        /// </summary>
        public bool IsLate(long now)
        {
            if (_due == Lifecycle.Never)
            {
                return false;
            }
            if (now - _lastLook > _time)
            {
                Begin(now);
            }
            _lastLook = now;
            if (now < _due)
            {
                return false;
            }
            _due = Lifecycle.Never;
            return true;
        }

        /// <summary>The transport is gone.</summary>
        public void Forget()
        {
            _due = Lifecycle.Never;
        }

        /// <summary>The transport was confirmed, or nothing is to be concluded from those that were not.</summary>
        public void Reset()
        {
            _due = Lifecycle.Never;
            _growth = 1;
        }

        private void Begin(long now)
        {
            _lastLook = now;
            _due = now + _time + (long)(_random.NextDouble() * _time / 2);
        }
    }
}
