namespace Fastway.Sessions
{
    /// <summary>Why one end aborts a session (docs/protocol.md §3.2).</summary>
    internal static class AbortReason
    {
        public const byte Unspecified = 0;
        public const byte PeerFault = 1;
        public const byte Shutdown = 2;
        public const byte Overflow = 3;
        public const byte Operator = 4;
        public const byte TooSlow = 5;
        public const byte Replaced = 6;
    }
}
