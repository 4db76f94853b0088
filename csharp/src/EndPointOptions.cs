using System;

namespace Fastway
{
    /// <summary>What happens to a connection whose messages nobody receives.</summary>
    public enum WhenFull
    {
        /// <summary><see cref="Hold"/> for a client, <see cref="Close"/> for a server.</summary>
        Default,

        /// <summary>
        /// The link is not read until half of what waits was received. All connections of the link wait with it, answers
        /// to dials included; nothing is lost. A connection that was not accepted yet never holds the link.
        /// </summary>
        Hold,

        /// <summary>
        /// That one connection is closed with <see cref="CloseReason.QueueFull"/>. What waits can still be received.
        /// </summary>
        Close
    }

    /// <summary>What an end point may do. Every setting has a default that suits a game.</summary>
    /// <remarks>
    /// Two settings have to agree with the gateway's flags: <see cref="MaxPacket"/> with <c>--max-packet</c>, and
    /// <see cref="PingInterval"/> with its idle timeouts.
    /// </remarks>
    public sealed class EndPointOptions
    {
        /// <summary>Options with their defaults.</summary>
        public EndPointOptions()
        {
            ConnectTimeout = TimeSpan.FromSeconds(10);
            DialTimeout = TimeSpan.FromSeconds(5);
            CloseGrace = TimeSpan.FromSeconds(3);
            PingInterval = TimeSpan.FromSeconds(10);
            DeadAfterIntervals = 3;
            PollBudget = TimeSpan.FromMilliseconds(1);
            MaxPacket = 512 << 10;
            ReceiveMessages = 8192;
            ReceiveBytes = 1 << 20;
            PendingAccepts = 1024;
        }

        /// <summary>A session under the connections, which outlives its network; null, the default, for a plain link.</summary>
        public SessionOptions Session { get; set; }

        /// <summary>
        /// Has a thread of its own move everything, so that nobody needs to call <see cref="EndPoint.Poll"/>. Events come
        /// on that thread then, and may come before there is a handler: <see cref="EndPoint.ReadyAsync"/> misses nothing.
        /// Default: no.
        /// </summary>
        public bool RunsItself { get; set; }

        /// <summary>Bounds the look-up, the connection, the handshake and the gateway's first word together. Default 10 s.</summary>
        public TimeSpan ConnectTimeout { get; set; }

        /// <summary>Bounds the wait for the answer to a dial. Default 5 s.</summary>
        public TimeSpan DialTimeout { get; set; }

        /// <summary>Bounds <see cref="EndPoint.ShutdownAsync"/>. Default 3 s, the gateway's own grace.</summary>
        public TimeSpan CloseGrace { get; set; }

        /// <summary>
        /// The time between pings. Default 10 s: three fit into the gateway's idle timeout of 30 s. Zero: no pings.
        /// </summary>
        public TimeSpan PingInterval { get; set; }

        /// <summary>
        /// After so many ping intervals without a byte from the gateway a plain link is lost. Default 3. Zero: never.
        /// </summary>
        public int DeadAfterIntervals { get; set; }

        /// <summary>
        /// How long one <see cref="EndPoint.Poll"/> may read; what is left comes with the next one. A program that polls
        /// less often than at 60 Hz may read for longer at a time: for a sixteenth of the time since the last poll, but not
        /// for more than 100 ms. Default 1 ms.
        /// </summary>
        public TimeSpan PollBudget { get; set; }

        /// <summary>
        /// The largest message in either direction, counted as on the wire: 4 bytes more than its payload. It has to be the
        /// gateway's own. Default 512 KiB.
        /// </summary>
        public int MaxPacket { get; set; }

        /// <summary>Messages that may wait to be received on one connection. Default 8,192.</summary>
        public int ReceiveMessages { get; set; }

        /// <summary>The same in bytes; a message counts 8 bytes more than its payload has. Default 1 MiB.</summary>
        public int ReceiveBytes { get; set; }

        /// <summary>
        /// Bytes that may wait on all connections together; then the link is not read until half of them were received, or,
        /// with <see cref="Fastway.WhenFull.Close"/>, the largest connection is closed. Default 0: 16 MiB for a client, 128
        /// MiB for a server.
        /// </summary>
        public int ReceiveTotalBytes { get; set; }

        /// <summary>What happens at <see cref="ReceiveMessages"/> and <see cref="ReceiveBytes"/>.</summary>
        public WhenFull WhenFull { get; set; }

        /// <summary>
        /// Bytes that may wait for the socket, of all connections together; beyond, a message is not taken. A message that
        /// alone is larger is taken when nothing waits. Default 0: 256 KiB for a client, 1 MiB for a server.
        /// </summary>
        public int SendBufferBytes { get; set; }

        /// <summary>Connections that may wait to be accepted; more are closed at once. Default 1,024.</summary>
        public int PendingAccepts { get; set; }

        internal void Check()
        {
            AtLeast("MaxPacket", MaxPacket, 13);
            AtLeast("ReceiveMessages", ReceiveMessages, 1);
            AtLeast("ReceiveBytes", ReceiveBytes, 1);
            AtLeast("ReceiveTotalBytes", ReceiveTotalBytes, 0);
            AtLeast("SendBufferBytes", SendBufferBytes, 0);
            AtLeast("PendingAccepts", PendingAccepts, 0);
            AtLeast("DeadAfterIntervals", DeadAfterIntervals, 0);
            if (Session != null)
            {
                Session.Check();
            }
        }

        private static void AtLeast(string setting, int value, int least)
        {
            if (value < least)
            {
                throw new ArgumentOutOfRangeException(setting, value, "it has to be at least " + least);
            }
        }
    }
}
