using System;

namespace Fastway.EndPoints
{
    /// <summary>A message that waits for room in the send buffer.</summary>
    internal struct PendingSend
    {
        public readonly Conn Conn;
        public readonly ArraySegment<byte> Message;
        public readonly Waiter<bool> Waiter;

        public PendingSend(Conn conn, ArraySegment<byte> message, Waiter<bool> waiter)
        {
            Conn = conn;
            Message = message;
            Waiter = waiter;
        }
    }
}
