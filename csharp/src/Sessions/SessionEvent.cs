namespace Fastway.Sessions
{
    /// <summary>The kinds of what happens to a session.</summary>
    internal enum SessionEventKind
    {
        /// <summary>The acceptor has answered: data may flow. Comes first, and once.</summary>
        Established,
        /// <summary>The session goes on by another transport.</summary>
        Resumed,
        /// <summary>The acceptor has acknowledged something by the transport, so it goes on by that as well. In a legacy session,
        /// which knows no acknowledgements: it has sent something by it. Once for each transport.</summary>
        Confirmed,
        /// <summary>The session has no transport any more.</summary>
        Interrupted,
        /// <summary>The acceptor refused. Try again later, unless <see cref="Ended"/> follows.</summary>
        Refused,
        /// <summary>The other end has closed its direction: no byte follows.</summary>
        PeerClosed,
        /// <summary>The session is over. What it still sends is worth sending; then close the transport. Comes
        /// last.</summary>
        Ended,
    }

    /// <summary>What happened to a session, for its owner to act on.</summary>
    internal struct SessionEvent
    {
        /// <summary>What happened.</summary>
        public SessionEventKind Kind;
        /// <summary>What a refusal says.</summary>
        public int Status;
        /// <summary>Milliseconds after which an overloaded acceptor wants to be asked again; 0 if it did not say.</summary>
        public int RetryAfter;
        /// <summary>Why the session is over.</summary>
        public SessionEnd End;
    }
}
