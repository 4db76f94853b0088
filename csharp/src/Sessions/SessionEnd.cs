namespace Fastway.Sessions
{
    /// <summary>The kinds of reasons for which a session is over.</summary>
    internal enum SessionEndKind
    {
        /// <summary>Both ends have closed, and everything arrived.</summary>
        Closed,
        /// <summary>This end aborted it.</summary>
        Aborted,
        /// <summary>The gateway aborted it.</summary>
        AbortedByPeer,
        /// <summary>Opening or resuming it was refused too often.</summary>
        Refused,
        /// <summary>It was without a connection for longer than it is kept.</summary>
        Expired,
        /// <summary>What the gateway sent is authentic and breaks the protocol.</summary>
        PeerFault,
    }

    /// <summary>Why a session is over.</summary>
    internal sealed class SessionEnd
    {
        public static readonly SessionEnd Closed = new SessionEnd(SessionEndKind.Closed, 0, "", "both ends have closed");
        public static readonly SessionEnd Expired = new SessionEnd(
            SessionEndKind.Expired, 0, "", "the session was without a connection for too long");

        private readonly string _kind;

        private SessionEnd(SessionEndKind kind, int code, string kindInWords, string reason)
        {
            Kind = kind;
            Code = code;
            _kind = kindInWords;
            Reason = reason;
        }

        /// <summary>The kind of the reason.</summary>
        public SessionEndKind Kind { get; }

        /// <summary>The status of a refusal (docs/protocol.md §3.1) or the reason of an abort (§3.2); else 0.</summary>
        public int Code { get; }

        /// <summary>The reason in words, without its kind.</summary>
        public string Reason { get; }

        /// <summary>The gateway is about to stop, and so has aborted the session, or takes none.</summary>
        public bool IsDraining
        {
            get
            {
                return (Kind == SessionEndKind.AbortedByPeer && Code == AbortReason.Shutdown)
                    || (Kind == SessionEndKind.Refused && Code == Status.Draining);
            }
        }

        public static SessionEnd Aborted(byte reason)
        {
            return new SessionEnd(SessionEndKind.Aborted, reason, "aborted here: ", ReasonText(reason));
        }

        public static SessionEnd AbortedByPeer(byte reason)
        {
            return new SessionEnd(SessionEndKind.AbortedByPeer, reason, "aborted by the gateway: ", ReasonText(reason));
        }

        public static SessionEnd Refused(int status)
        {
            return new SessionEnd(SessionEndKind.Refused, status, "refused: ", StatusText(status));
        }

        public static SessionEnd PeerFault(string fault)
        {
            return new SessionEnd(SessionEndKind.PeerFault, 0, "the gateway broke the protocol: ", fault);
        }

        /// <summary>The kind and the reason in words.</summary>
        public override string ToString()
        {
            return _kind + Reason;
        }

        private static string ReasonText(byte reason)
        {
            switch (reason)
            {
                case AbortReason.Unspecified: return "no reason given";
                case AbortReason.PeerFault: return "the other end broke the protocol";
                case AbortReason.Shutdown: return "the gateway stops";
                case AbortReason.Overflow: return "a bound was exceeded";
                case AbortReason.Operator: return "an operator decided so";
                case AbortReason.TooSlow: return "the receiver was too slow";
                case AbortReason.Replaced: return "a newer link registered the same server ID";
                default: return "reason " + reason;
            }
        }

        private static string StatusText(int status)
        {
            switch (status)
            {
                case Status.Unknown: return "no session has this id";
                case Status.Expired: return "the session waited too long, or was ended to make room";
                case Status.NotAuthentic: return "the first message was not made with the session's secret";
                case Status.StaleAttempt: return "an attempt with this or a higher number came before";
                case Status.DataGap: return "the counts do not fit";
                case Status.Draining: return "the gateway is about to stop";
                case Status.Overloaded: return "the gateway is overloaded";
                case Status.NotAdmitted: return "the gateway does not admit this kind of session here";
                default: return "status " + status;
            }
        }
    }
}
