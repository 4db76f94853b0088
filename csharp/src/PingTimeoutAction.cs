namespace Fastway
{
    /// <summary>
    /// Asked when the gateway has not answered a ping in time, on a thread of its own: a place for
    /// <c>SnetStream.TryReconn</c>.
    /// </summary>
    /// <returns>True to go on, with the next ping after an interval; false to close the end point.</returns>
    public delegate bool PingTimeoutAction();
}
