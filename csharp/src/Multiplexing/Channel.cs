using Fastway.Buffers;

namespace Fastway.Multiplexing
{
    /// <summary>A virtual connection, as the multiplexer knows it.</summary>
    /// <remarks>
    /// <code>
    ///   Dial -- dialing --Accept--> open --Close, link lost, queue full--> ended
    ///              `--Refuse, time-out, link lost--------------------------^
    /// </code>
    /// </remarks>
    internal sealed class Channel
    {
        public Channel(uint connId, uint remoteId, ChunkPool pool)
        {
            ConnId = connId;
            RemoteId = remoteId;
            Inbox = new MessageQueue(pool);
        }

        /// <summary>The gateway's number; 0 until the dial is answered.</summary>
        public uint ConnId { get; set; }

        public uint RemoteId { get; private set; }

        /// <summary>None until it has ended.</summary>
        public CloseReason Reason { get; set; }

        /// <summary>What waits to be received; it can be received after the end, too.</summary>
        public MessageQueue Inbox { get; private set; }

        /// <summary>What was sent before the dial was answered; null when that is nothing.</summary>
        public MessageQueue Unsent { get; set; }

        public long DialDeadline { get; set; }

        /// <summary>
        /// It stands beside the connection with its number, and is none itself: it sends and closes, and receives nothing.
        /// </summary>
        public bool IsAttached { get; set; }

        /// <summary>Somebody can receive; before that the queue must not hold the link.</summary>
        public bool HandedOut { get; set; }

        /// <summary>The link is not read because of this queue.</summary>
        public bool Holding { get; set; }

        /// <summary>It was said that messages wait, and they were not all taken yet.</summary>
        public bool Announced { get; set; }

        /// <summary>What users hold of it.</summary>
        public Conn Conn { get; set; }

        public bool IsDialing
        {
            get { return ConnId == 0 && !IsAttached && Reason == CloseReason.None; }
        }

        public bool IsOpen
        {
            get { return ConnId != 0 && Reason == CloseReason.None; }
        }
    }
}
