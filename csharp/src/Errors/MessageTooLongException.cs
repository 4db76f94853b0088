namespace Fastway
{
    /// <summary>
    /// A message does not fit into <see cref="EndPointOptions.MaxPacket"/>. Nothing of it was sent. Split it, or raise
    /// MaxPacket here and in the gateway.
    /// </summary>
    public sealed class MessageTooLongException : FastwayException
    {
        internal MessageTooLongException(int bytes, int most)
            : base("a message of " + bytes + " bytes is too long: at most " + most, null)
        {
        }
    }
}
