using System;

namespace Fastway.EndPoints
{
    /// <summary>
    /// How long one poll reads. What has come meanwhile grows with the time since the last poll, and so does the budget: a
    /// program that polls twice a second falls no further behind than one that polls at 60 Hz. Times are ticks of a clock
    /// that is an argument.
    /// </summary>
    internal sealed class ReadBudget
    {
        /// <summary>A poll may read for this part of the time since the last one: 1 ms of a frame at 60 Hz.</summary>
        private const int Share = 16;

        /// <summary>A program that was suspended does not read for long at once.</summary>
        private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(100);

        private readonly long _least;
        private readonly long _longest;
        private long _lastPoll;

        /// <summary>A budget of at least so much for each poll.</summary>
        public ReadBudget(TimeSpan least, long ticksPerSecond, long now)
        {
            _least = (long)Math.Round(least.TotalSeconds * ticksPerSecond);
            _longest = (long)Math.Round(Longest.TotalSeconds * ticksPerSecond);
            _lastPoll = now;
        }

        /// <summary>A poll begins; when it has to stop reading.</summary>
        public long Begin(long now)
        {
            var share = Math.Min((now - _lastPoll) / Share, _longest);
            _lastPoll = now;
            return now + Math.Max(_least, share);
        }
    }
}
