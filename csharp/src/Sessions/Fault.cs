namespace Fastway.Sessions
{
    /// <summary>Why a transport is of no more use. The session goes on without it, unless it is over as well.</summary>
    internal enum Fault
    {
        /// <summary>It is of use.</summary>
        None,
        /// <summary>A message claims a length that none has.</summary>
        BadLength,
        /// <summary>Something was altered on its way, or was not made with the right key.</summary>
        NotAuthentic,
        /// <summary>The acceptor refused.</summary>
        Refused,
        /// <summary>All nonces of the transport are used.</summary>
        WornOut,
        /// <summary>The session has no transport that could receive anything.</summary>
        NoTransport,
        /// <summary>The session is over.</summary>
        Over,
    }
}
