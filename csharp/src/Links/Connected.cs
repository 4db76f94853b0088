using System.Net;

namespace Fastway.Links
{
    /// <summary>An attempt has its TCP connection. Times are in milliseconds.</summary>
    internal sealed class Connected
    {
        /// <summary>One that has it now, and began at this time.</summary>
        public Connected(IPAddress peer, long began, long now)
        {
            Peer = peer;
            Since = now;
            After = now - began;
        }

        /// <summary>Where it leads; null if that is unknown.</summary>
        public IPAddress Peer { get; }

        public long Since { get; }

        /// <summary>How long connecting took.</summary>
        public long After { get; }

        /// <summary>That of two which was there later; either may be null.</summary>
        public static Connected Newer(Connected one, Connected other)
        {
            return one == null || (other != null && other.Since > one.Since) ? other : one;
        }
    }
}
