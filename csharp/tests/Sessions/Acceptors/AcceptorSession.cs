using System.Collections.Generic;

namespace Fastway.Tests.Sessions.Acceptors
{
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
