using System;
using System.Collections.Generic;

namespace Fastway.Sessions
{
    /// <summary>What every session has, whatever its protocol: events for its owner, and an end.</summary>
    internal sealed class Lifecycle
    {
        /// <summary>A time that does not come.</summary>
        public const long Never = long.MaxValue;

        private readonly Queue<SessionEvent> _events = new Queue<SessionEvent>();
        private bool _established;
        /// <summary>The last answer was that the acceptor is overloaded.</summary>
        private bool _isOverloaded;

        /// <summary>A session that must be established within <paramref name="patience"/>, and then waits for as long each
        /// time, unless the acceptor says otherwise.</summary>
        public Lifecycle(long patience, long now)
        {
            Wait = patience;
            Expires = now + patience;
        }

        /// <summary>For how long the session lives without a transport, in milliseconds.</summary>
        public long Wait { get; set; }

        /// <summary>When the session is over for lack of a transport.</summary>
        public long Expires { get; private set; }

        /// <summary>Why it is over; null while it lives.</summary>
        public SessionEnd End { get; private set; }

        public bool Poll(out SessionEvent happened)
        {
            var any = _events.Count > 0;
            happened = any ? _events.Dequeue() : default(SessionEvent);
            return any;
        }

        /// <summary>A transport carries the session.</summary>
        public void Connected()
        {
            Expires = Never;
            _isOverloaded = false;
            Emit(_established ? SessionEventKind.Resumed : SessionEventKind.Established);
            _established = true;
        }

        public void Interrupted(long now)
        {
            if (Expires == Never)
            {
                Expires = now + Wait;
            }
            Emit(SessionEventKind.Interrupted);
        }

        /// <summary>The acceptor has refused. One that says when to come again, after so many milliseconds, keeps the session
        /// for an initiator that it had no room for.</summary>
        public void Refused(int status, int retryAfter, long now)
        {
            _isOverloaded = status == Status.Overloaded;
            if (retryAfter > 0 && _established && Expires != Never)
            {
                Expires = Math.Max(Expires, now + retryAfter + Wait);
            }
            Emit(new SessionEvent { Kind = SessionEventKind.Refused, Status = status, RetryAfter = retryAfter });
        }

        public void PeerClosed()
        {
            Emit(SessionEventKind.PeerClosed);
        }

        /// <summary>The first end counts.</summary>
        public void Finish(SessionEnd end)
        {
            if (End == null)
            {
                Emit(new SessionEvent { Kind = SessionEventKind.Ended, End = end });
                End = end;
                Expires = Never;
            }
        }

        public void Tick(long now)
        {
            if (Expires <= now)
            {
                Finish(_isOverloaded ? SessionEnd.Refused(Status.Overloaded) : SessionEnd.Expired);
            }
        }

        private void Emit(SessionEventKind kind)
        {
            Emit(new SessionEvent { Kind = kind });
        }

        private void Emit(SessionEvent happened)
        {
            if (End == null)
            {
                _events.Enqueue(happened);
            }
        }
    }
}
