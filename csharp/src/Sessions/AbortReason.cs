namespace Fastway.Sessions
{
    /// <summary>Why one end aborts a session (docs/protocol.md §3.2).</summary>
    internal static class AbortReason
    {
        public const byte Unspecified = 0;
        public const byte PeerFault = 1;
    }
}
