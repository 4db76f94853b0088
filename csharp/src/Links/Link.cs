using System;

namespace Fastway.Links
{
    /// <summary>What has become of a link.</summary>
    internal enum LinkChange
    {
        None,
        Interrupted,
        Resumed
    }

    /// <summary>
    /// The stream of bytes under the multiplexer: a transport, or a session that outlives its transports. No call waits,
    /// but for <see cref="Wait"/>, and none throws.
    /// </summary>
    internal abstract class Link
    {
        /// <summary>Bytes go to the gateway and come from it, as far as is known.</summary>
        public abstract bool IsLive { get; }

        /// <summary>There is a transport to what listens at the address.</summary>
        public virtual bool IsConnected
        {
            get { return IsLive; }
        }

        /// <summary>Why it is over; null while it is not. What came before was read then.</summary>
        public LinkException Failure { get; protected set; }

        /// <summary>What was wrong with the last attempt to connect, for people; null for nothing.</summary>
        public string Trouble { get; protected set; }

        /// <summary>Goes on with what takes several turns: connecting, coming back.</summary>
        public abstract void Step(long now);

        /// <summary>Reads what is there: 0 when that is nothing, or at the end.</summary>
        public abstract int Read(ArraySegment<byte> into, long now);

        /// <summary>Takes bytes to be written, and says how many.</summary>
        public abstract int Write(ArraySegment<byte> bytes, long now);

        /// <summary>Nothing can be written before acknowledgements are read, which stand behind all else that comes.</summary>
        public virtual bool WaitsForAcks
        {
            get { return false; }
        }

        /// <summary>Has the last bytes that were read not be acknowledged for now.</summary>
        public virtual void Withhold(int bytes, long now)
        {
        }

        /// <summary>Writes what it has taken, as far as that goes.</summary>
        public virtual void Flush(long now)
        {
        }

        /// <summary>The next change that was not taken yet.</summary>
        public virtual LinkChange TakeChange()
        {
            return LinkChange.None;
        }

        /// <summary>Whether the stream goes on by another transport than when this was asked last. The gateway's answer to a
        /// ping shows that it does, too.</summary>
        public virtual bool TakeNewTransport()
        {
            return false;
        }

        /// <summary>The new transport was given a ping, so the gateway can be expected to show soon that it goes on by it.</summary>
        public virtual void ExpectConfirmation(long now)
        {
        }

        /// <summary>The gateway does not answer.</summary>
        public abstract void Silent(long now);

        /// <summary>The device has another network now.</summary>
        public virtual void NetworkChanged(long now)
        {
        }

        /// <summary>Ends the stream behind what was written; <see cref="IsClosed"/> tells when the gateway knows.</summary>
        public virtual void Finish()
        {
        }

        /// <summary>The stream has ended in order.</summary>
        public virtual bool IsClosed
        {
            get { return true; }
        }

        /// <summary>Waits until something can be read, for so long at most; any thread may.</summary>
        public abstract void Wait(int milliseconds);

        /// <summary>Ends at once.</summary>
        public abstract void Close(long now);
    }
}
