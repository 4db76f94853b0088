namespace Fastway
{
    /// <summary>Why a connection is closed.</summary>
    public enum CloseReason
    {
        /// <summary>It is open, or being dialed.</summary>
        None,

        /// <summary>This side closed it.</summary>
        Local,

        /// <summary>The other end closed it or is gone, or the gateway closed it.</summary>
        Remote,

        /// <summary>Too much waited to be received; messages are lost.</summary>
        QueueFull,

        /// <summary>The dial was refused: the remote is not there, or a limit of connections is reached.</summary>
        Refused,

        /// <summary>The dial was not answered in time.</summary>
        DialTimedOut,

        /// <summary>16,384 dials of the link were without an answer.</summary>
        TooManyDials,

        /// <summary>The link under it ended.</summary>
        Link
    }
}
