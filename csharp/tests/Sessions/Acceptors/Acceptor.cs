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

    /// <summary>The other end of one session.</summary>
    internal abstract class AcceptorSession
    {
        /// <summary>Whether a first transport was proven.</summary>
        public bool IsEstablished { get; protected set; }

        /// <summary>The stream's bytes, in order.</summary>
        public List<byte> Read { get; } = new List<byte>();

        /// <summary>The initiator has closed.</summary>
        public bool PeerClosed { get; protected set; }

        /// <summary>What was wrong with the initiator, if something was.</summary>
        public string Fault { get; protected set; }

        /// <summary>Says how many bytes it has taken.</summary>
        public abstract int Write(byte[] bytes);

        /// <summary>Ends this direction.</summary>
        public abstract void Close();

        /// <summary>Puts about so many bytes on the live cable.</summary>
        public abstract void Flush(int room);

        /// <summary>Reads what is unfinished on a cable.</summary>
        public abstract void Receive(Cable cable);

        /// <summary>A cable is gone.</summary>
        public abstract void Lost(Cable cable);

        /// <summary>Whether all has arrived in both directions, as far as this end can know.</summary>
        public abstract bool IsDone { get; }
    }
}
