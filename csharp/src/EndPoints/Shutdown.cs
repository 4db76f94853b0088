namespace Fastway.EndPoints
{
    /// <summary>An end in order: a ping behind all that was sent, then the end of the stream.</summary>
    internal sealed class Shutdown
    {
        public readonly Waiter<bool> Waiter;
        public readonly long Ping;
        public readonly long Deadline;

        /// <summary>The gateway has everything, and the stream is being ended.</summary>
        public bool IsConfirmed;

        public Shutdown(Waiter<bool> waiter, long ping, long deadline)
        {
            Waiter = waiter;
            Ping = ping;
            Deadline = deadline;
        }
    }
}
