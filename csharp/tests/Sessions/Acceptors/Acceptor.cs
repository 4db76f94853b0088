using System.Collections.Generic;
using Fastway.Crypto;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of sessions, in memory: it believes that the cables are its own, and forgets nothing.</summary>
    internal abstract class Acceptor
    {
        /// <summary>All that were opened, proven or not.</summary>
        public List<AcceptorSession> Sessions { get; } = new List<AcceptorSession>();

        /// <summary>The one that was proven; null before.</summary>
        public AcceptorSession Established
        {
            get { return Sessions.Find(session => session.IsEstablished); }
        }

        /// <summary>Takes what came by a cable.</summary>
        public void Receive(Cable cable, byte[] bytes)
        {
            if (cable.IsEnded)
            {
                return;
            }
            cable.Unfinished = Bytes.Concat(cable.Unfinished, bytes);
            if (cable.Session == null)
            {
                Greet(cable);
            }
            if (cable.Session != null && !cable.IsEnded)
            {
                cable.Session.Receive(cable);
            }
        }

        /// <summary>Answers the first message of a cable, if all of it is there.</summary>
        protected abstract void Greet(Cable cable);
    }
}
