using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Fastway.EndPoints;
using Fastway.Multiplexing;

namespace Fastway
{
    // The same for those who await. A task completes within a Poll, on its caller's thread, or, where the end point runs
    // itself, on the thread pool.
    public partial class EndPoint
    {
        private readonly WaiterQueue<EndPoint> _ready = new WaiterQueue<EndPoint>();
        private readonly WaiterQueue<Conn> _accepting = new WaiterQueue<Conn>();
        private readonly Queue<PendingSend> _pendingSends = new Queue<PendingSend>();
        private Shutdown _shutdown;

        /// <summary>Connects to the client port of a gateway, with an end point that runs itself.</summary>
        /// <param name="address">The gateway's client port, as <c>host:port</c>.</param>
        /// <param name="options">What it may do; null for the defaults.</param>
        /// <param name="cancellation">Gives up.</param>
        /// <returns>The end point, which is ready. The task fails with a <see cref="LinkException"/>.</returns>
        public static Task<EndPoint> ConnectClientAsync(
            string address, EndPointOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return ConnectClient(address, RunningItself(options)).ReadyOrClosedAsync(cancellation);
        }

        /// <summary>Registers at the server port of a gateway, with an end point that runs itself.</summary>
        /// <param name="address">The gateway's server port, as <c>host:port</c>.</param>
        /// <param name="serverId">The number under which clients dial this server.</param>
        /// <param name="authKey">The gateway's key.</param>
        /// <param name="options">What it may do; null for the defaults.</param>
        /// <param name="cancellation">Gives up.</param>
        /// <returns>The end point, which is ready. The task fails with a <see cref="LinkException"/>.</returns>
        public static Task<EndPoint> ConnectServerAsync(string address, uint serverId, string authKey,
            EndPointOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return ConnectServer(address, serverId, authKey, RunningItself(options)).ReadyOrClosedAsync(cancellation);
        }

        /// <summary>Waits until the gateway has answered for the first time.</summary>
        /// <param name="cancellation">Ends the wait, and not the end point.</param>
        /// <returns>This end point. The task fails with a <see cref="LinkException"/> when there is no link.</returns>
        public Task<EndPoint> ReadyAsync(CancellationToken cancellation = default(CancellationToken))
        {
            var waiter = NewWaiter<EndPoint>();
            lock (_gate)
            {
                if (_failure == null && !_mux.IsUp)
                {
                    _ready.Add(waiter);
                }
                else
                {
                    waiter.Claim();
                }
            }
            if (waiter.IsClaimed)
            {
                CompleteReady(waiter);
            }
            waiter.ListenTo(cancellation);
            return waiter.Task;
        }

        /// <summary>Opens a connection, and waits for the answer.</summary>
        /// <param name="remoteID">Who is dialed.</param>
        /// <param name="cancellation">Gives up, and closes what the gateway opens later.</param>
        /// <returns>The connection. The task fails with a <see cref="DialException"/>.</returns>
        public Task<Conn> DialAsync(uint remoteID, CancellationToken cancellation = default(CancellationToken))
        {
            var waiter = NewWaiter<Conn>();
            lock (_gate)
            {
                var conn = Dial(remoteID);
                if (conn == null)
                {
                    waiter.Claim();
                    waiter.Fail(new DialException(remoteID, CloseReason.Link, _failure));
                }
                else
                {
                    conn.DialedBy(waiter);
                }
            }
            DispatchNow();
            waiter.ListenTo(cancellation);
            return waiter.Task;
        }

        /// <summary>Waits for a connection that somebody else opens.</summary>
        /// <param name="cancellation">Ends the wait; no connection is lost by it.</param>
        /// <returns>The connection; null when the link is over.</returns>
        public Task<Conn> AcceptAsync(CancellationToken cancellation = default(CancellationToken))
        {
            var waiter = NewWaiter<Conn>();
            Conn conn;
            lock (_gate)
            {
                conn = Accept();
                if (conn == null && _failure == null)
                {
                    _accepting.Add(waiter);
                }
                else
                {
                    waiter.Claim();
                }
            }
            if (waiter.IsClaimed)
            {
                waiter.Complete(conn);
            }
            waiter.ListenTo(cancellation);
            return waiter.Task;
        }

        /// <summary>
        /// Ends the link in order: what waits is sent, the gateway is told and has to agree, within
        /// <see cref="EndPointOptions.CloseGrace"/>.
        /// </summary>
        /// <returns>True when the gateway has everything; false when the last messages may be lost.</returns>
        public Task<bool> ShutdownAsync()
        {
            var waiter = NewWaiter<bool>();
            lock (_gate)
            {
                if (_shutdown != null)
                {
                    return _shutdown.Waiter.Task;
                }
                var grace = (long)_options.CloseGrace.TotalMilliseconds;
                _mux.Ping();
                _shutdown = new Shutdown(waiter, _mux.PingsSent, Clock.Now + grace);
                if (_failure != null)
                {
                    _mux.Events.Add(new MuxEvent(MuxEventKind.Lost, null));
                }
                FlushIfAlone();
            }
            return waiter.Task;
        }

        internal Waiter<T> NewWaiter<T>()
        {
            return new Waiter<T>(_options.RunsItself);
        }

        /// <summary>Under the lock: has a message wait for room.</summary>
        internal void SendLater(PendingSend send)
        {
            _pendingSends.Enqueue(send);
        }

        private static EndPointOptions RunningItself(EndPointOptions options)
        {
            options = options ?? new EndPointOptions();
            options.RunsItself = true;
            return options;
        }

        private async Task<EndPoint> ReadyOrClosedAsync(CancellationToken cancellation)
        {
            try
            {
                return await ReadyAsync(cancellation).ConfigureAwait(false);
            }
            catch
            {
                Close();
                throw;
            }
        }

        private void CompleteReady()
        {
            Waiter<EndPoint> waiter;
            while ((waiter = ClaimUnderLock(_ready)) != null)
            {
                CompleteReady(waiter);
            }
        }

        private void CompleteReady(Waiter<EndPoint> waiter)
        {
            var why = Failure;
            if (why == null)
            {
                waiter.Complete(this);
            }
            else
            {
                waiter.Fail(why);
            }
        }

        /// <summary>True when somebody awaits a connection, or took it before.</summary>
        private bool CompleteAccept()
        {
            Waiter<Conn> waiter;
            Conn conn;
            lock (_gate)
            {
                if (!_mux.HasIncoming)
                {
                    return true;
                }
                waiter = _accepting.Claim();
                if (waiter == null)
                {
                    return false;
                }
                conn = Accept();
            }
            waiter.Complete(conn);
            return true;
        }

        /// <summary>The link is over.</summary>
        private void CompleteAll()
        {
            CompleteReady();
            Waiter<Conn> waiter;
            while ((waiter = ClaimUnderLock(_accepting)) != null)
            {
                waiter.Complete(null);
            }
            if (_shutdown != null && _shutdown.Waiter.Claim())
            {
                _shutdown.Waiter.Complete(_failure.Reason == LostReason.Closed);
            }
        }

        private Waiter<T> ClaimUnderLock<T>(WaiterQueue<T> queue)
        {
            lock (_gate)
            {
                return queue.Claim();
            }
        }

        /// <summary>Sends what waits for room, as far as there is some.</summary>
        private void SendPending()
        {
            PendingSend send;
            SendStatus status;
            while (TrySendPending(out send, out status))
            {
                send.Waiter.Complete(status == SendStatus.Queued);
            }
        }

        private bool TrySendPending(out PendingSend send, out SendStatus status)
        {
            lock (_gate)
            {
                status = SendStatus.HeldUp;
                send = default(PendingSend);
                while (_pendingSends.Count > 0 && (_mux.HasRoom || _failure != null))
                {
                    send = _pendingSends.Dequeue();
                    if (send.Waiter.Claim())
                    {
                        status = _mux.Send(send.Conn.Channel, send.Message);
                        return true;
                    }
                }
                return false;
            }
        }

        private void ShutDown(long now)
        {
            if (now >= _shutdown.Deadline)
            {
                End(new LinkException(LostReason.Unconfirmed));
            }
            else if (!_shutdown.IsConfirmed && _mux.PingsAnswered >= _shutdown.Ping)
            {
                _shutdown.IsConfirmed = true;
                _link.Finish();
            }
            else if (_shutdown.IsConfirmed && _link.IsClosed)
            {
                _closed = true;
                End(new LinkException(LostReason.Closed));
            }
        }
    }
}
