namespace Fastway
{
    /// <summary>Why there is no connection.</summary>
    public sealed class DialException : FastwayException
    {
        internal DialException(uint remoteId, CloseReason reason, LinkException link)
            : base("dial " + remoteId + ": " + Describe(reason), link)
        {
            RemoteID = remoteId;
            Reason = reason;
        }

        /// <summary>Who was dialed.</summary>
        public uint RemoteID { get; private set; }

        /// <summary>
        /// What went wrong. With <see cref="CloseReason.Link"/> the inner exception is the <see cref="LinkException"/>.
        /// </summary>
        public CloseReason Reason { get; private set; }

        private static string Describe(CloseReason reason)
        {
            switch (reason)
            {
                case CloseReason.Refused:
                    return "refused: the remote is not there, or a limit of connections is reached";
                case CloseReason.DialTimedOut:
                    return "no answer in time";
                case CloseReason.TooManyDials:
                    return "too many dials are without an answer";
                case CloseReason.Link:
                    return "the link has ended";
                default:
                    return "the connection was closed at once";
            }
        }
    }
}
