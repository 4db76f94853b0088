namespace Fastway.Sessions
{
    /// <summary>What an acceptor answers to an open or a resume (docs/protocol.md §3.1). It is not authenticated.</summary>
    internal static class Status
    {
        public const byte Ok = 0;
        public const byte Unknown = 1;
        public const byte Expired = 2;
        public const byte NotAuthentic = 3;
        public const byte StaleAttempt = 4;
        public const byte DataGap = 5;
        public const byte Draining = 6;
        public const byte Overloaded = 7;
        public const byte NotAdmitted = 8;

        /// <summary>Whether it is none of a later version.</summary>
        public static bool IsKnown(byte status)
        {
            return status <= NotAdmitted;
        }

        /// <summary>Whether trying again cannot help, if it is what the acceptor meant: an attacker may have written
        /// it.</summary>
        public static bool WouldBeFinal(byte status)
        {
            return status != StaleAttempt && status != Overloaded;
        }
    }
}
