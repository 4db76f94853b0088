using System.Collections.Generic;
using Fastway.Crypto;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of sessions, in memory: it believes that the wires are its own, and forgets nothing.</summary>
    internal abstract class Acceptor
    {
        /// <summary>All that were opened, proven or not.</summary>
        public List<AcceptorSession> Sessions { get; } = new List<AcceptorSession>();

        /// <summary>The one that was proven; null before.</summary>
        public AcceptorSession Established
        {
            get { return Sessions.Find(session => session.IsEstablished); }
        }

        /// <summary>Takes what came by a wire.</summary>
        public void Receive(Wire wire, byte[] bytes)
        {
            if (wire.IsEnded)
            {
                return;
            }
            wire.Unfinished = Bytes.Concat(wire.Unfinished, bytes);
            if (wire.Session == null)
            {
                Greet(wire);
            }
            if (wire.Session != null && !wire.IsEnded)
            {
                wire.Session.Receive(wire);
            }
        }

        /// <summary>Answers the first message of a wire, if all of it is there.</summary>
        protected abstract void Greet(Wire wire);
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

        /// <summary>Puts about so many bytes on the live wire.</summary>
        public abstract void Flush(int room);

        /// <summary>Reads what is unfinished on a wire.</summary>
        public abstract void Receive(Wire wire);

        /// <summary>A wire is gone.</summary>
        public abstract void Lost(Wire wire);

        /// <summary>Whether all has arrived in both directions, as far as this end can know.</summary>
        public abstract bool IsDone { get; }
    }
}
