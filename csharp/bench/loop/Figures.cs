using System;
using System.Diagnostics;
using System.Globalization;

namespace Loop
{
    /// <summary>What a run has cost.</summary>
    internal sealed class Figures
    {
        private const double GoalMilliseconds = 2;


        private readonly double _seconds;
        private readonly int _threadsBefore;
        private readonly long[] _ticks;
        private int _polls;
        private int _collections;
        private long _sent;
        private long _received;

        /// <summary>Room for all that is noted is made before the run.</summary>
        public Figures(double seconds, int threadsBefore)
        {
            _threadsBefore = threadsBefore;
            _seconds = seconds;
            _ticks = new long[(int)(seconds * Setup.PollsPerSecond) + 1];
        }

        public long AllocatedBytes { get; private set; }

        public void Begin()
        {
            _collections = GC.CollectionCount(0);
        }

        public void AddPoll(long ticks, long allocatedBytes)
        {
            _ticks[_polls++] = ticks;
            AllocatedBytes += allocatedBytes;
        }

        public void End(long sent, long received)
        {
            _sent = sent;
            _received = received;
            _collections = GC.CollectionCount(0) - _collections;
        }

        public void Print()
        {
            var longestAt = LongestAt();
            Array.Sort(_ticks, 0, _polls);
            Line("{0} connections, {1} polls a second, {2} messages a second each way, {3} s",
                Setup.Connections, Setup.PollsPerSecond, Setup.MessagesPerSecond, _seconds);
            Line("messages   {0} sent, {1} back", _sent, _received);
            Line("allocated  {0} bytes, {1} collections", AllocatedBytes, _collections);
            Line("poll       median {0:0.000} ms, 99th {1:0.000} ms, longest {2:0.000} ms after {3:0.0} s, {4} of {5} over {6} ms",
                At(0.5), At(0.99), At(1), longestAt, CountOver(GoalMilliseconds), _polls, GoalMilliseconds);
            Line("threads    {0} of the runtime's before there were end points, {1} now", _threadsBefore, ThreadCount());
        }

        public static int ThreadCount()
        {
            return Process.GetCurrentProcess().Threads.Count;
        }

        private static void Line(string format, params object[] values)
        {
            Console.WriteLine(string.Format(CultureInfo.InvariantCulture, format, values));
        }

        /// <summary>In seconds from the start.</summary>
        private double LongestAt()
        {
            var longest = 0;
            for (var at = 1; at < _polls; at++)
            {
                longest = _ticks[at] > _ticks[longest] ? at : longest;
            }
            return (double)longest / Setup.PollsPerSecond;
        }

        private int CountOver(double milliseconds)
        {
            var count = 0;
            for (var at = 0; at < _polls; at++)
            {
                count += Milliseconds(_ticks[at]) > milliseconds ? 1 : 0;
            }
            return count;
        }

        private double At(double share)
        {
            return Milliseconds(_ticks[Math.Max(0, (int)Math.Ceiling(share * _polls) - 1)]);
        }

        private static double Milliseconds(long ticks)
        {
            return 1000.0 * ticks / Stopwatch.Frequency;
        }
    }
}
