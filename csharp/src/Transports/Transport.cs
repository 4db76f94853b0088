using System;
using System.Net;

namespace Fastway.Transports
{
    /// <summary>
    /// What carries the bytes of a link for a while, for instance a TCP connection. No call waits, but for
    /// <see cref="Wait"/>. It reports its end, and never throws.
    /// </summary>
    internal abstract class Transport
    {
        /// <summary>It has begun and not ended yet.</summary>
        public bool IsOpen { get; protected set; }

        /// <summary>Nothing more comes, and nothing more is taken.</summary>
        public bool HasEnded { get; private set; }

        /// <summary>Why it ended; null when the other side closed it.</summary>
        public Exception Error { get; private set; }

        /// <summary>The address of the other end, also after the end; null if there was no connection, or it is of no kind that
        /// can be made again by an address.</summary>
        public IPAddress Peer { get; protected set; }

        /// <summary>Goes on with what takes several turns: looking up the address, connecting.</summary>
        public virtual void Step(long now)
        {
        }

        /// <summary>Reads what is there: 0 when that is nothing, or at the end.</summary>
        public abstract int Read(ArraySegment<byte> into);

        /// <summary>Writes what is taken at once, and says how much that is.</summary>
        public abstract int Write(ArraySegment<byte> bytes);

        /// <summary>Nothing more is written for now: what was taken is to go out.</summary>
        public virtual void Flush()
        {
        }

        /// <summary>Waits until something can be read, for so long at most; any thread may.</summary>
        public abstract void Wait(int milliseconds);

        public abstract void Close();

        protected void Ended(Exception error)
        {
            if (HasEnded)
            {
                return;
            }
            IsOpen = false;
            HasEnded = true;
            Error = error;
        }
    }
}
