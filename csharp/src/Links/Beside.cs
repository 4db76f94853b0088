using System;
using System.Collections.Generic;
using Fastway.Sessions;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>
    /// Attempts to get a session a transport, beside one that has no answer. A network that drops packets without a word
    /// answers an attempt with nothing; so another one is begun after a while, as connections to several addresses are (RFC
    /// 8305). A gateway that is slow to answer must not be asked again and again by everybody: each of the delays is about
    /// twice as long as the one before, and there are no more than a few attempts at a time.
    /// </summary>
    internal sealed class Beside
    {
        /// <summary>Attempts at a time, without the one that they are beside.</summary>
        private const int Most = 2;

        /// <summary>
        /// The longest first delay in milliseconds, of which the real one is at least half; and the same in times of an answered
        /// attempt, where that is longer. A crowd that comes back at once is answered within a second or two, and should not have
        /// asked twice by then.
        /// </summary>
        private const long FirstDelay = 1000;
        private const long Answers = 3;

        private readonly Func<Transport> _connect;
        private readonly TimeSpan _longest;
        private readonly Random _random;
        private readonly List<Try> _tries = new List<Try>();
        private Pauses _delays;
        private long _next;

        public Beside(Func<Transport> connect, TimeSpan longest, Random random)
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

        /// <summary>An attempt has begun to which others may be beside. The delays go on where a way back has several.</summary>
        public void Begin(long now)
        {
            _delays = _delays ?? new Pauses(LongestFirstDelay(), _longest, _random);
            _next = now + _delays.Next();
        }

        /// <summary>Begins one more attempt if it is time.</summary>
        public void BeginIfDue(long now)
        {
            if (now >= _next && _tries.Count < Most)
            {
                _tries.Add(new Try(_connect(), now));
                Begin(now);
            }
        }

        /// <summary>Goes on with all attempts, and gives one that is answered; the others stay. Null if there is none.</summary>
        public Try Step(Session session, long now)
        {
            // Where several are answered, the gateway goes on by the newest.
            for (var i = _tries.Count - 1; i >= 0; i--)
            {
                var tried = _tries[i];
                tried.Step(session, now);
                if (tried.IsAnswered)
                {
                    _tries.RemoveAt(i);
                    return tried;
                }
                if (tried.HasEnded || now - tried.Began >= _longest.TotalMilliseconds)
                {
                    _tries.RemoveAt(i);
                    tried.Close();
                }
            }
            return null;
        }

        /// <summary>The gateway is there, and slow: attempts beside others come as late as they may.</summary>
        public void Slow()
        {
            _delays = new Pauses(_longest, _longest, _random);
        }

        /// <summary>Gives all of them up.</summary>
        public void Close()
        {
            foreach (var tried in _tries)
            {
                tried.Close();
            }
            _tries.Clear();
        }

        /// <summary>The session has a transport: the next way back begins with the first delay.</summary>
        public void Reset()
        {
            _delays = null;
        }

        private TimeSpan LongestFirstDelay()
        {
            var first = Math.Max(FirstDelay, Answers * AnsweredAfter);
            return TimeSpan.FromMilliseconds(Math.Min(first, _longest.TotalMilliseconds));
        }
    }
}
