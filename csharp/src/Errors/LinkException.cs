using System;

namespace Fastway
{
    /// <summary>Why there is no link, or no more.</summary>
    public sealed class LinkException : FastwayException
    {
        internal LinkException(
            LostReason reason, string detail = null, Exception cause = null, bool isDraining = false)
            : base(Describe(reason, detail), cause)
        {
            Reason = reason;
            IsDraining = isDraining;
        }

        /// <summary>The kind of end.</summary>
        public LostReason Reason { get; private set; }

        /// <summary>
        /// The gateway drains: it is about to stop, and nothing has failed. The next link goes to another gateway
        /// (<see cref="Gateways"/>). A plain link has no words for a reason: it ends with
        /// <see cref="LostReason.ClosedByGateway"/>, as it does when the gateway closes this link alone.
        /// </summary>
        public bool IsDraining { get; private set; }

        /// <summary>For how long the gateway had answered; null where no link came about.</summary>
        internal TimeSpan? Lived { get; set; }

        private static string Describe(LostReason reason, string detail)
        {
            var text = Describe(reason);
            return string.IsNullOrEmpty(detail) ? text : text + ": " + detail;
        }

        private static string Describe(LostReason reason)
        {
            switch (reason)
            {
                case LostReason.Closed:
                    return "this side closed the link";
                case LostReason.Unconfirmed:
                    return "this side closed the link, but the gateway did not agree in time";
                case LostReason.ClosedByGateway:
                    return "the gateway closed the link; its log says why";
                case LostReason.Silent:
                    return "the gateway has not answered a ping";
                case LostReason.Protocol:
                    return "the gateway sent what no gateway sends";
                case LostReason.Unreachable:
                    return "nobody listens there";
                case LostReason.ConnectTimedOut:
                    return "no link to a gateway in time";
                case LostReason.TurnedAway:
                    return "turned away before the gateway said anything: it is at a limit, is being stopped, or admits other links here";
                case LostReason.WrongKey:
                    return "the gateway turned the server away: give both the same key; if they have, its log says why";
                case LostReason.NotAGateway:
                    return "what listens there is not this port of a gateway; check the address";
                case LostReason.SessionRefused:
                    return "the gateway refused the session";
                case LostReason.SessionAborted:
                    return "the gateway ended the session";
                case LostReason.SessionExpired:
                    return "the session could not be resumed in time";
                case LostReason.HandlerFailed:
                    return "a handler threw an exception";
                case LostReason.NotAdmitted:
                    return "the port does not admit this kind of link";
                case LostReason.WrongGatewayKey:
                    return "what answers is not the gateway with the key that is pinned: if the gateway has a new key, take that "
                        + "one; if not, somebody is in between";
                case LostReason.TooSlow:
                    return "the gateway ended the session";
                case LostReason.Replaced:
                    return "the gateway ended the session";
                default:
                    return "the link was lost";
            }
        }
    }
}
