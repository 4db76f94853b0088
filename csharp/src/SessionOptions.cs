using System;

namespace Fastway
{
    /// <summary>
    /// Has a session carry the connections: when the network under it is gone, it goes on over another one, and nothing is
    /// lost or doubled.
    /// </summary>
    public sealed class SessionOptions
    {
        private const int KeyBytes = 32;
        private const int LeastReplayBytes = 64 << 10;

        private SessionOptions()
        {
            ReplayBytes = 1 << 20;
            FirstPause = TimeSpan.FromMilliseconds(50);
            LongestPause = TimeSpan.FromSeconds(1);
            AttemptTimeout = TimeSpan.FromSeconds(3);
            SilentAfter = TimeSpan.FromSeconds(5);
            LegacyPatience = TimeSpan.FromSeconds(60);
        }

        /// <summary>
        /// Bytes that are kept to be sent again, at most; more wait in the send buffer. Memory is taken as it fills. At
        /// least 64 KiB; default 1 MiB.
        /// </summary>
        public int ReplayBytes { get; set; }

        /// <summary>
        /// The pause behind the first attempt to come back, which is made at once. Each of the next is about twice as long,
        /// and all are jittered: players who lost a router together do not go on coming in the same moment. They begin with
        /// this one again after a way to the gateway that the gateway has confirmed by an acknowledgement, or that has outlived the
        /// longest pause. Default 50 ms.
        /// </summary>
        public TimeSpan FirstPause { get; set; }

        /// <summary>
        /// The longest pause, and so about the time in which a gateway that is back is noticed. A gateway that is overloaded
        /// says when to come again: the pause is as long as that, if that is not above this one, and up to half of it more.
        /// Default 1 s.
        /// </summary>
        public TimeSpan LongestPause { get; set; }

        /// <summary>
        /// Bounds one attempt: the look-up, the connection and the answer. One that nothing answers gets another one beside it
        /// long before: without a TCP connection after half a second to a second, with one after 1 to 1.5 s, or 0.5 to 0.75 s
        /// where the gateway has replied before (longer where connecting and replies take long). The next comes after twice as
        /// long; three are under way at most, of which a further one to come back takes the place of the oldest. The first that
        /// gets a TCP connection has those without one given up; the first that is answered wins. They go to the address of the
        /// gateway that has the session, and to the name, which may lead to another gateway, only where that address gives no TCP
        /// connection. Default 3 s.
        /// </summary>
        public TimeSpan AttemptTimeout { get; set; }

        /// <summary>
        /// A way to the gateway on which it is silent for so long is given up, and another one sought. A gateway that says nothing
        /// is pinged within that time, if <see cref="EndPointOptions.PingInterval"/> is set at all, so a black hole is noticed
        /// within one and a half times as long. A new way has less time: the gateway is pinged at once, and another one sought
        /// after 0.5 to 0.75 s if it does not confirm it (longer where replies take long, and after each in a row). It takes the
        /// place of <see cref="EndPointOptions.DeadAfterIntervals"/>. Default 5 s.
        /// </summary>
        public TimeSpan SilentAfter { get; set; }

        /// <summary>
        /// How long a legacy session looks for its way back: the gateway's <c>…SnetWaitTimeout</c>, which it does not tell.
        /// (Of a secure one it tells.) Default 60 s.
        /// </summary>
        public TimeSpan LegacyPatience { get; set; }

        internal bool IsLegacy { get; private set; }

        internal bool Encrypt { get; private set; }

        internal byte[] GatewayKey { get; private set; }

        /// <summary>
        /// A secure session (docs/protocol.md §3). With the gateway's public key, nobody else can be the gateway; without,
        /// whoever answers is believed.
        /// </summary>
        /// <param name="gatewayKey">The gateway's public key, 32 bytes, or null.</param>
        /// <returns>Options with their defaults.</returns>
        public static SessionOptions Secure(byte[] gatewayKey)
        {
            if (gatewayKey != null && gatewayKey.Length != KeyBytes)
            {
                throw new ArgumentException("a gateway's public key has 32 bytes", "gatewayKey");
            }
            return new SessionOptions { GatewayKey = gatewayKey };
        }

        /// <summary>
        /// A session of the original's snet (docs/protocol.md §2), for gateways that have no other. It protects nothing
        /// against an active attacker, encrypted or not.
        /// </summary>
        /// <param name="encrypt">What the gateway has for its <c>…SnetEncrypt</c>.</param>
        /// <returns>Options with their defaults.</returns>
        public static SessionOptions Legacy(bool encrypt)
        {
            return new SessionOptions { IsLegacy = true, Encrypt = encrypt };
        }

        internal void Check()
        {
            if (ReplayBytes < LeastReplayBytes)
            {
                throw new ArgumentOutOfRangeException(
                    "ReplayBytes", ReplayBytes, "it has to be at least " + LeastReplayBytes);
            }
        }
    }
}
