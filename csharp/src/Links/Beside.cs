using System;
using System.Collections.Generic;
using Fastway.Sessions;

namespace Fastway.Links
{
    /// <summary>
    /// Attempts to get a session a transport, beside one that has no answer. A network that drops packets without a word
    /// answers an attempt with nothing; so another one is begun after a while, as connections to several addresses are (RFC
    /// 8305).
    /// </summary>
    internal sealed class Beside
    {
        private readonly TimeSpan _longest;

        /// <summary>In the order in which they began.</summary>
        private readonly List<Try> _tries = new List<Try>();

        /// <summary>Each attempt has so long.</summary>
        public Beside(TimeSpan longest)
        {
            _longest = longest;
        }

        public int Count
        {
            get { return _tries.Count; }
        }

        public bool IsEmpty
        {
            get { return _tries.Count == 0; }
        }

        /// <summary>The newest connection of one of them; null if none has one.</summary>
        public Connected NewestConnection
        {
            get
            {
                Connected newest = null;
                foreach (var tried in _tries)
                {
                    newest = Connected.Newer(newest, tried.Connected);
                }
                return newest;
            }
        }

        /// <summary>None of them is older than an attempt that began at this time.</summary>
        public bool AreNewerThan(long began)
        {
            return _tries.TrueForAll(tried => tried.Began >= began);
        }

        /// <summary>One more has begun, now or before others.</summary>
        public void Add(Try tried)
        {
            _tries.Insert(_tries.FindLastIndex(one => one.Began <= tried.Began) + 1, tried);
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
                if (tried.IsAnswered || IsOver(tried, now))
                {
                    return TakeAt(i);
                }
            }
            return null;
        }

        /// <summary>Goes on with connecting, and gives an attempt that has its connection, or is over without. The others stay.
        /// Null if there is none.</summary>
        public Try Connect(long now)
        {
            for (var i = 0; i < _tries.Count; i++)
            {
                var tried = _tries[i];
                tried.Connect(now);
                if (tried.Transport.IsOpen || IsOver(tried, now))
                {
                    return TakeAt(i);
                }
            }
            return null;
        }

        /// <summary>Gives all of them up.</summary>
        public void Close()
        {
            CloseUnless(tried => false);
        }

        /// <summary>Gives the one up that began first.</summary>
        public void CloseOldest()
        {
            TakeAt(0).Close();
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

        private bool IsOver(Try tried, long now)
        {
            return tried.HasEnded || now - tried.Began >= _longest.TotalMilliseconds;
        }

        private Try TakeAt(int index)
        {
            var tried = _tries[index];
            _tries.RemoveAt(index);
            return tried;
        }
    }
}
