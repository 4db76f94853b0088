namespace Fastway
{
    /// <summary>What became of a message.</summary>
    public enum SendStatus
    {
        /// <summary>It is queued, and goes out with the next poll.</summary>
        Queued,

        /// <summary>
        /// Too much waits for the socket already: this side's own link is held up. Nothing was queued; try again later.
        /// </summary>
        HeldUp,

        /// <summary>The connection is closed.</summary>
        Closed
    }
}
