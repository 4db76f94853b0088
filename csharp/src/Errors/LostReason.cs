namespace Fastway
{
    /// <summary>Why a link is gone, and with it every connection on it.</summary>
    public enum LostReason
    {
        /// <summary>This side closed it.</summary>
        Closed,

        /// <summary>This side closed it in order, but the gateway did not agree in time: the last messages may be lost.</summary>
        Unconfirmed,

        /// <summary>The gateway closed it; its log says why.</summary>
        ClosedByGateway,

        /// <summary>The network failed.</summary>
        Network,

        /// <summary>The gateway has not sent a byte for too long.</summary>
        Silent,

        /// <summary>The gateway sent what no gateway sends.</summary>
        Protocol,

        /// <summary>Nobody listens at the address, or it cannot be looked up.</summary>
        Unreachable,

        /// <summary>There was no link to a gateway within the time for connecting.</summary>
        ConnectTimedOut,

        /// <summary>
        /// The link ended before the gateway had said anything: it is at a limit, is being stopped, or the port admits
        /// another kind of links, or is another one.
        /// </summary>
        TurnedAway,

        /// <summary>The gateway ended the link when it had seen the proof of the key.</summary>
        WrongKey,

        /// <summary>What listens there speaks, but not as a gateway does on that port.</summary>
        NotAGateway,

        /// <summary>The gateway refuses to go on with the session.</summary>
        SessionRefused,

        /// <summary>The gateway ended the session.</summary>
        SessionAborted,

        /// <summary>The session could not be resumed within the time that the gateway waits for it.</summary>
        SessionExpired,

        /// <summary>A handler of this program threw an exception where nobody else could catch it.</summary>
        HandlerFailed,

        /// <summary>The port admits other kinds of links than this end came with: plain, legacy sessions, secure sessions.</summary>
        NotAdmitted,

        /// <summary>What answers does not have the key that <see cref="SessionOptions.Secure"/> was given.</summary>
        WrongGatewayKey,

        /// <summary>The gateway ended the session because this end took too little of what waited for it.</summary>
        TooSlow,

        /// <summary>The gateway ended the session because a newer link registered the same server ID.</summary>
        Replaced
    }
}
