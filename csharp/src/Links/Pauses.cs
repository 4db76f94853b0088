using System;

namespace Fastway.Links
{
    /// <summary>Pauses between attempts: each about twice the one before, and jittered, so that a crowd does not come back at once.</summary>
    internal sealed class Pauses
    {
        private readonly long _first;
        private readonly long _longest;
        private readonly Random _random;
        private long _next;

        public Pauses(TimeSpan first, TimeSpan longest, Random random)
        {
            _first = Math.Max(1, (long)first.TotalMilliseconds);
            _longest = Math.Max(_first, (long)longest.TotalMilliseconds);
            _random = random;
            _next = _first;
        }

        /// <summary>The next pause in milliseconds: between half of its length and all of it.</summary>
        public long Next()
        {
            var length = _next;
            _next = Math.Min(_longest, 2 * _next);
            return length / 2 + (long)(_random.NextDouble() * (length - length / 2));
        }

        /// <summary>
        /// The pause after an overloaded gateway has said when to come again: never shorter than that, which the longest pause
        /// bounds, and up to half of it more, so that not everybody comes back at once.
        /// </summary>
        public long AfterOverload(int retryAfter)
        {
            var least = Math.Min(retryAfter, _longest);
            return least + (long)(_random.NextDouble() * least / 2);
        }

        /// <summary>Forgets what has failed.</summary>
        public void Reset()
        {
            _next = _first;
        }
    }
}
