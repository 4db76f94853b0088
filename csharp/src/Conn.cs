using System;
using System.Threading;
using System.Threading.Tasks;
using Fastway.EndPoints;
using Fastway.Multiplexing;

namespace Fastway
{
    /// <summary>A virtual connection: messages in order, both ways.</summary>
    /// <remarks>
    /// Close it when it is no longer used, also after the other end has closed it: what came before can be received until
    /// then, and keeps its memory.
    /// </remarks>
    public class Conn
    {
        /// <summary>What <see cref="Receive"/> gives when no message waits.</summary>
        public static readonly byte[] NoMsg = new byte[0];

        private readonly EndPoint _endPoint;
        private readonly Channel _channel;
        private WaiterQueue<byte[]> _receiving;
        private Waiter<Conn> _dialing;
        private Action<Conn, ArraySegment<byte>> _received;

        /// <summary>
        /// A second hand on the sending side of a connection, as the original has it; <see cref="EndPoint.Dial"/> and
        /// <see cref="EndPoint.Accept"/> give connections. It receives nothing. What it sends goes out under the number,
        /// and its <see cref="Close"/> closes the connection with that number.
        /// </summary>
        /// <param name="p">The end point to send by.</param>
        /// <param name="id">The connection's number. With 0, which is nobody's, what is sent is dropped.</param>
        /// <param name="remoteID">What <see cref="RemoteID"/> says.</param>
        public Conn(EndPoint p, uint id, uint remoteID)
        {
            if (p == null)
            {
                throw new ArgumentNullException("p");
            }
            _endPoint = p;
            lock (p.Gate)
            {
                _channel = p.Mux.Attach(id, remoteID);
                _channel.Conn = this;
            }
        }

        internal Conn(EndPoint endPoint, Channel channel)
        {
            _endPoint = endPoint;
            _channel = channel;
        }

        /// <summary>
        /// A message has come. Its memory is lent until the handler returns. What waits when a handler is added comes, too.
        /// </summary>
        public event Action<Conn, ArraySegment<byte>> Received
        {
            add
            {
                lock (_endPoint.Gate)
                {
                    _received += value;
                    _endPoint.Mux.Announce(_channel);
                }
            }

            remove
            {
                lock (_endPoint.Gate)
                {
                    _received -= value;
                }
            }
        }

        /// <summary>The gateway has answered the dial with yes.</summary>
        public event Action<Conn> Opened;

        /// <summary>
        /// The connection has ended; <see cref="CloseReason"/> says why. What waits can still be received.
        /// </summary>
        public event Action<Conn> Closed;

        /// <summary>The end point that the connection belongs to.</summary>
        public EndPoint EndPoint
        {
            get { return _endPoint; }
        }

        /// <summary>The gateway's number for the connection, the same at both ends; 0 until the dial is answered.</summary>
        public uint ID
        {
            get
            {
                lock (_endPoint.Gate)
                {
                    return _channel.ConnId;
                }
            }
        }

        /// <summary>Who is at the other end: a server's ID for a client, a client's ID for a server.</summary>
        public uint RemoteID
        {
            get { return _channel.RemoteId; }
        }

        /// <summary>Why it has ended; <see cref="CloseReason.None"/> while it has not.</summary>
        public CloseReason CloseReason
        {
            get
            {
                lock (_endPoint.Gate)
                {
                    return _channel.Reason;
                }
            }
        }

        /// <summary>The gateway has said yes, and it has not ended.</summary>
        public bool IsOpen
        {
            get
            {
                lock (_endPoint.Gate)
                {
                    return _channel.IsOpen;
                }
            }
        }

        internal Channel Channel
        {
            get { return _channel; }
        }

        /// <summary>Takes a message, which the caller owns.</summary>
        /// <returns>
        /// The message; <see cref="NoMsg"/>, the very object, when none waits; null when the connection has ended and all
        /// that came was received.
        /// </returns>
        public byte[] Receive()
        {
            lock (_endPoint.Gate)
            {
                ArraySegment<byte> message;
                if (_endPoint.Mux.TryReceive(_channel, out message))
                {
                    return Copy(message);
                }
                return _channel.Reason == CloseReason.None ? NoMsg : null;
            }
        }

        /// <summary>Takes a message without a copy.</summary>
        /// <param name="message">The message, lent until the next call that takes one of this connection, or closes it.</param>
        /// <returns>Whether there was one.</returns>
        public bool TryReceive(out ArraySegment<byte> message)
        {
            lock (_endPoint.Gate)
            {
                return _endPoint.Mux.TryReceive(_channel, out message);
            }
        }

        /// <summary>Waits for a message, which the caller owns.</summary>
        /// <param name="cancellation">Ends the wait; no message is lost by it.</param>
        /// <returns>The message; null when the connection has ended and all that came was received.</returns>
        public Task<byte[]> ReceiveAsync(CancellationToken cancellation = default(CancellationToken))
        {
            var waiter = _endPoint.NewWaiter<byte[]>();
            byte[] message;
            lock (_endPoint.Gate)
            {
                message = Receive();
                if (message == NoMsg)
                {
                    _receiving = _receiving ?? new WaiterQueue<byte[]>();
                    _receiving.Add(waiter);
                }
            }
            if (message != NoMsg)
            {
                waiter.Claim();
                waiter.Complete(message);
            }
            waiter.ListenTo(cancellation);
            return waiter.Task;
        }

        /// <summary>
        /// Sends a message, a copy of which is made. Where the end point runs itself, it waits while too much waits for the
        /// socket.
        /// </summary>
        /// <param name="msg">The message.</param>
        /// <returns>
        /// False when it was not taken: the connection has ended, or, where the end point is polled, too much waits
        /// (<see cref="TrySend(ArraySegment{byte})"/> tells which).
        /// </returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public bool Send(byte[] msg)
        {
            return Send(new ArraySegment<byte>(msg));
        }

        /// <summary>As <see cref="Send(byte[])"/>, for a part of an array.</summary>
        /// <param name="message">The array that the message is in.</param>
        /// <param name="offset">Where it begins.</param>
        /// <param name="count">Its length in bytes.</param>
        /// <returns>False when it was not taken.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public bool Send(byte[] message, int offset, int count)
        {
            return Send(new ArraySegment<byte>(message, offset, count));
        }

        /// <summary>As <see cref="Send(byte[])"/>, for what <see cref="Received"/> and <see cref="TryReceive"/> lend.</summary>
        /// <param name="message">The message.</param>
        /// <returns>False when it was not taken.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public bool Send(ArraySegment<byte> message)
        {
            lock (_endPoint.Gate)
            {
                var status = TrySend(message);
                while (status == SendStatus.HeldUp && _endPoint.WaitForRoom())
                {
                    status = TrySend(message);
                }
                return status == SendStatus.Queued;
            }
        }

        /// <summary>As <see cref="TrySend(ArraySegment{byte})"/>, for a whole array.</summary>
        /// <param name="message">The message.</param>
        /// <returns>What became of it.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public SendStatus TrySend(byte[] message)
        {
            return TrySend(new ArraySegment<byte>(message));
        }

        /// <summary>Sends a message, a copy of which is made, or says why not. It waits for nothing.</summary>
        /// <param name="message">The message.</param>
        /// <returns>What became of it.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public SendStatus TrySend(ArraySegment<byte> message)
        {
            lock (_endPoint.Gate)
            {
                return _endPoint.Send(_channel, message);
            }
        }

        /// <summary>Sends a message, and waits while too much waits for the socket.</summary>
        /// <param name="message">The message; its memory must not change until the task completes.</param>
        /// <param name="cancellation">Gives up: the message is not sent, unless it was queued before.</param>
        /// <returns>Whether it was queued; false when the connection has ended.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public Task<bool> SendAsync(
            ArraySegment<byte> message, CancellationToken cancellation = default(CancellationToken))
        {
            var waiter = _endPoint.NewWaiter<bool>();
            SendStatus status;
            lock (_endPoint.Gate)
            {
                status = _endPoint.SendInTurn(_channel, message);
                if (status == SendStatus.HeldUp)
                {
                    _endPoint.SendLater(new PendingSend(this, message, waiter));
                }
            }
            if (status != SendStatus.HeldUp)
            {
                waiter.Claim();
                waiter.Complete(status == SendStatus.Queued);
            }
            waiter.ListenTo(cancellation);
            return waiter.Task;
        }

        /// <summary>As <see cref="SendAsync(ArraySegment{byte}, CancellationToken)"/>, for a whole array.</summary>
        /// <param name="message">The message; its memory must not change until the task completes.</param>
        /// <param name="cancellation">Gives up: the message is not sent, unless it was queued before.</param>
        /// <returns>Whether it was queued; false when the connection has ended.</returns>
        /// <exception cref="MessageTooLongException">It does not fit into MaxPacket.</exception>
        public Task<bool> SendAsync(byte[] message, CancellationToken cancellation = default(CancellationToken))
        {
            return SendAsync(new ArraySegment<byte>(message), cancellation);
        }

        /// <summary>Closes the connection behind what was sent; what was not received is dropped.</summary>
        public void Close()
        {
            _endPoint.CloseConn(_channel);
        }

        /// <summary>Under the lock: the dial is awaited.</summary>
        internal void DialedBy(Waiter<Conn> waiter)
        {
            _dialing = waiter;
        }

        /// <summary>Without the lock: tells of what happened.</summary>
        internal void Emit(MuxEventKind happened)
        {
            switch (happened)
            {
                case MuxEventKind.Opened:
                    CompleteDial(true);
                    Raise(Opened);
                    break;
                case MuxEventKind.Readable:
                    CompleteReceives();
                    HandOver();
                    break;
                default:
                    CompleteDial(false);
                    CompleteReceives();
                    Raise(Closed);
                    break;
            }
        }

        private static byte[] Copy(ArraySegment<byte> message)
        {
            var copy = new byte[message.Count];
            Buffer.BlockCopy(message.Array, message.Offset, copy, 0, copy.Length);
            return copy;
        }

        private void CompleteDial(bool isOpened)
        {
            var waiter = _dialing;
            _dialing = null;
            if (waiter == null)
            {
                return;
            }
            if (!waiter.Claim())
            {
                Close();
            }
            else if (isOpened)
            {
                waiter.Complete(this);
            }
            else
            {
                waiter.Fail(new DialException(RemoteID, CloseReason, _endPoint.Failure));
            }
        }

        private void CompleteReceives()
        {
            Waiter<byte[]> waiter;
            byte[] message;
            while ((waiter = ClaimReceive(out message)) != null)
            {
                waiter.Complete(message);
            }
        }

        private Waiter<byte[]> ClaimReceive(out byte[] message)
        {
            lock (_endPoint.Gate)
            {
                message = null;
                var isOver = _channel.Reason != CloseReason.None;
                if (_receiving == null || (_channel.Inbox.Messages == 0 && !isOver))
                {
                    return null;
                }
                var waiter = _receiving.Claim();
                if (waiter != null)
                {
                    message = Receive();
                }
                return waiter;
            }
        }

        private void HandOver()
        {
            Action<Conn, ArraySegment<byte>> handler;
            ArraySegment<byte> message;
            while (TryTakeForHandler(out handler, out message))
            {
                var isDone = false;
                try
                {
                    handler(this, message);
                    isDone = true;
                }
                finally
                {
                    if (!isDone)
                    {
                        AnnounceRest();
                    }
                }
            }
        }

        /// <summary>A handler has thrown: the next poll goes on.</summary>
        private void AnnounceRest()
        {
            lock (_endPoint.Gate)
            {
                _endPoint.Mux.Announce(_channel);
            }
        }

        private bool TryTakeForHandler(out Action<Conn, ArraySegment<byte>> handler, out ArraySegment<byte> message)
        {
            lock (_endPoint.Gate)
            {
                handler = _received;
                message = default(ArraySegment<byte>);
                return handler != null && _endPoint.Mux.TryReceive(_channel, out message);
            }
        }

        private void Raise(Action<Conn> handler)
        {
            if (handler != null)
            {
                handler(this);
            }
        }
    }
}
