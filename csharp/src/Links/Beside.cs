using System;
using System.Collections.Generic;
using Fastway.Sessions;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>
    /// Attempts to get a session a transport, beside one that has no answer. A network that drops packets without a word
    /// answers an attempt with nothing; so another one is begun after a while, as connections to several addresses are (RFC
    /// 8305). A gateway that is slow to answer must not be asked again and again by everybody: so the delay is longer where an
    /// attempt has a connection, since the gateway may be at work on it; each of the delays is about twice as long as the one
    /// before, and there are no more than a few attempts at a time.
    /// </summary>
    internal sealed class Beside
    {
        /// <summary>Attempts at a time, without the one that they are beside.</summary>
        private const int Most = 2;

        /// <summary>
        /// Without a connection: the longest first delay in milliseconds, of which the real one is at least half; and the same in
        /// times of an answered attempt, where that is longer. A crowd that comes back at once is answered within a second or two,
        /// and should not have asked twice by then.
        /// </summary>
        private const long FirstDelay = 1000;
        private const long Answers = 3;

        /// <summary>With a connection: the least first delay in milliseconds; the real one is up to half longer.</summary>
        private const long ConnectedDelay = 1000;

        /// <summary>The same in times of an answered attempt, where that is longer.</summary>
        private const long AnswersConnected = 2;

        private readonly Func<long, Transport> _connect;
        private readonly TimeSpan _longest;
        private readonly Random _random;
        private readonly List<Try> _tries = new List<Try>();

        /// <summary>Delays of this way back without a connection; null before the first.</summary>
        private Pauses _delays;

        /// <summary>The next delay with a connection, at least.</summary>
        private long _connectedDelay;

        private long _next;
        private long _nextConnected;

        public Beside(Func<long, Transport> connect, TimeSpan longest, Random random)
        {
            _connect = connect;
            _longest = longest;
            _random = random;
        }

        /// <summary>Milliseconds that the attempt took that was answered last; 0 if there was none.</summary>
        public long AnsweredAfter { get; set; }

        public bool IsEmpty
        {
            get { return _tries.Count == 0; }
        }

        /// <summary>One of them has a connection.</summary>
        public bool HasConnection
        {
            get { return _tries.Exists(tried => tried.Transport.IsOpen); }
        }

        /// <summary>An attempt has begun to which others may be beside. The delays go on where a way back has several.</summary>
        public void Begin(long now)
        {
            if (_delays == null)
            {
                _delays = new Pauses(LongestFirstDelay(), _longest, _random);
                _connectedDelay = Shortened(Math.Max(ConnectedDelay, AnswersConnected * AnsweredAfter));
            }
            _next = now + _delays.Next();
            _nextConnected = Math.Max(_next, now + _connectedDelay + (long)(_random.NextDouble() * _connectedDelay / 2));
            _connectedDelay = Shortened(2 * _connectedDelay);
        }

        /// <summary>Begins one more attempt if it is time, beside one that has a connection or has none.</summary>
        public void BeginIfDue(bool isConnected, long now)
        {
            if (now >= (isConnected || HasConnection ? _nextConnected : _next) && _tries.Count < Most)
            {
                _tries.Add(new Try(_connect(now), now));
                Begin(now);
            }
        }

        /// <summary>Another attempt is answered before this one.</summary>
        public void Add(Try tried)
        {
            _tries.Add(tried);
        }

        /// <summary>One has failed: the next begins at this time.</summary>
        public void BeginAt(long time)
        {
            _next = _nextConnected = time;
        }

        /// <summary>Goes on with all attempts, and gives one that is over: it is answered, has ended, or took too long. The
        /// others stay. Null if there is none.</summary>
        public Try Step(Session session, long now)
        {
            // Where several are answered, the gateway goes on by the newest.
            for (var i = _tries.Count - 1; i >= 0; i--)
            {
                var tried = _tries[i];
                tried.Step(session, now);
                if (tried.IsAnswered || tried.HasEnded || now - tried.Began >= _longest.TotalMilliseconds)
                {
                    _tries.RemoveAt(i);
                    return tried;
                }
            }
            return null;
        }

        /// <summary>The gateway is there, and slow: attempts beside others come as late as they may.</summary>
        public void Slow()
        {
            _delays = new Pauses(_longest, _longest, _random);
            _connectedDelay = (long)_longest.TotalMilliseconds;
        }

        /// <summary>Gives all of them up.</summary>
        public void Close()
        {
            CloseUnless(tried => false);
        }

        /// <summary>Gives up those that are of no more use.</summary>
        public void CloseUnless(Predicate<Try> isOfUse)
        {
            foreach (var tried in _tries.FindAll(one => !isOfUse(one)))
            {
                tried.Close();
                _tries.Remove(tried);
            }
        }

        /// <summary>The session has a transport: the next way back begins with the first delay.</summary>
        public void Reset()
        {
            _delays = null;
        }

        private TimeSpan LongestFirstDelay()
        {
            var first = Math.Max(FirstDelay, Answers * AnsweredAfter);
            return TimeSpan.FromMilliseconds(Shortened(first));
        }

        private long Shortened(long delay)
        {
            return Math.Min(delay, (long)_longest.TotalMilliseconds);
        }
    }
}
