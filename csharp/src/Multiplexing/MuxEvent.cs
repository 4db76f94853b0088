namespace Fastway.Multiplexing
{
    /// <summary>What happened that users may want to hear of.</summary>
    internal enum MuxEventKind
    {
        /// <summary>The gateway has answered for the first time.</summary>
        Up,

        /// <summary>Somebody opened a connection, which waits to be accepted.</summary>
        Incoming,

        /// <summary>A dial was answered with yes.</summary>
        Opened,

        /// <summary>Messages wait where none did.</summary>
        Readable,

        /// <summary>A connection has ended.</summary>
        Ended,

        /// <summary>The network under the session is gone.</summary>
        Interrupted,

        /// <summary>The session goes on.</summary>
        Resumed,

        /// <summary>The link is over.</summary>
        Lost
    }

    internal struct MuxEvent
    {
        public readonly MuxEventKind Kind;

        /// <summary>Whose event it is; null for the link's own.</summary>
        public readonly Channel Channel;

        public MuxEvent(MuxEventKind kind, Channel channel)
        {
            Kind = kind;
            Channel = channel;
        }
    }
}
