using System.Diagnostics;

namespace Fastway
{
    /// <summary>Time that only goes forward.</summary>
    internal static class Clock
    {
        private static readonly long TicksPerMillisecond = Stopwatch.Frequency / 1000;

        /// <summary>In milliseconds, from anywhere.</summary>
        public static long Now
        {
            get { return Stopwatch.GetTimestamp() / TicksPerMillisecond; }
        }
    }
}
