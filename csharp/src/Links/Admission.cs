using Fastway.Multiplexing;
using Fastway.Sessions;

namespace Fastway.Links
{
    /// <summary>
    /// Explains why a port takes no link of this kind, with the settings that decide it: the gateway's, and this end's.
    /// Plain against session is the likeliest misconfiguration.
    /// </summary>
    internal sealed class Admission
    {
        /// <summary>Bytes of the challenge with which a server port greets plain links (docs/protocol.md, server handshake).</summary>
        private const int ChallengeBytes = 8;

        private readonly bool _isServer;
        private readonly SessionOptions _session;

        /// <summary>Of a link of this role, with the session that it comes with; null for none.</summary>
        public Admission(Role role, SessionOptions session)
        {
            _isServer = role == Role.Server;
            _session = session;
        }

        private string Flag
        {
            get { return _isServer ? "the gateway's --server-link" : "the gateway's --client-link"; }
        }

        private string Kind
        {
            get { return _session == null ? "a plain link" : _session.IsLegacy ? "a legacy session" : "a secure session"; }
        }

        private string Port
        {
            get { return _isServer ? "server port" : "client port"; }
        }

        /// <summary>Whether so many bytes are what a server port says to plain links.</summary>
        public bool IsChallenge(int replyBytes)
        {
            return _isServer && replyBytes == ChallengeBytes;
        }

        /// <summary>The gateway has refused a plain link.</summary>
        public string PlainRefused()
        {
            return "it admits sessions only (" + Flag + "), and this end came with a plain link; set EndPointOptions.Session";
        }

        /// <summary>The gateway ended a plain link before it had said anything.</summary>
        public string PlainTurnedAway()
        {
            return "this end came with a plain link; if the port admits sessions only (" + Flag
                + "), set EndPointOptions.Session, else the gateway's log says why";
        }

        /// <summary>The openings of a session were answered with so many bytes that are no reply.</summary>
        public LinkException NotOpened(int replyBytes)
        {
            if (IsChallenge(replyBytes))
            {
                return new LinkException(LostReason.NotAdmitted, "it admits plain links, and this end came with " + Kind
                    + "; leave EndPointOptions.Session out, or change " + Flag);
            }
            if (replyBytes > 0)
            {
                return new LinkException(
                    LostReason.NotAGateway, "its answer to the opening of " + Kind + " is not that of a gateway");
            }
            return new LinkException(LostReason.TurnedAway, "this end came with " + Kind
                + ", and the port ended each connection without an answer; if it admits another kind of links (" + Flag
                + "), set EndPointOptions.Session alike, or leave it out for a plain link");
        }

        /// <summary>The gateway refused to open a session.</summary>
        public LinkException Refused(SessionEnd end)
        {
            switch (end.Code)
            {
                case Status.NotAdmitted:
                    return new LinkException(LostReason.NotAdmitted, "this end came with " + Kind + ", and " + Flag
                        + " admits other kinds; set EndPointOptions.Session alike" + NoKey());
                case Status.NotAuthentic:
                    return new LinkException(
                        IsPinned ? LostReason.WrongGatewayKey : LostReason.SessionRefused, IsPinned ? null : end.Reason);
                case Status.Draining:
                    return new LinkException(LostReason.TurnedAway, end.Reason, null, end.IsDraining);
                default:
                    return new LinkException(LostReason.SessionRefused, end.Reason);
            }
        }

        /// <summary>What has not come within the time for connecting.</summary>
        public string WaitedFor(bool isConnected, bool isLive, bool isGreeted)
        {
            if (!isConnected)
            {
                return "nothing answers at the address; check it, and the firewalls on the way";
            }
            if (!isLive)
            {
                return "what listens there did not reply to the opening of " + Kind + "; is it a gateway that admits them ("
                    + Flag + ")?";
            }
            if (_isServer && !isGreeted)
            {
                return NoChallenge();
            }
            return "what listens there answered no ping; is it a gateway's " + Port + "?";
        }

        /// <summary>A server has come to a port that does not challenge it.</summary>
        public string NoChallenge()
        {
            var sessions = _session == null
                ? "; if the port admits sessions only (" + Flag + "), set EndPointOptions.Session" : "";
            return "what listens there sent no challenge; is it the gateway's server port, and not its client port?" + sessions;
        }

        private bool IsPinned
        {
            get { return _session.GatewayKey != null; }
        }

        private string NoKey()
        {
            return IsPinned ? "; or the gateway has no --session-key, though one is pinned here" : "";
        }
    }
}
