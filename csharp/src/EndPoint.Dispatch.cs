using System;
using System.Collections.Generic;
using Fastway.Multiplexing;

namespace Fastway
{
    // What is told to users, without the lock.
    public partial class EndPoint
    {
        /// <summary>What is to be raised, from <see cref="_dispatched"/> on; only who dispatches touches them.</summary>
        private readonly List<MuxEvent> _events = new List<MuxEvent>();

        private int _dispatched;
        private bool _dispatching;

        /// <summary>For the thread of an end point that runs itself: the link is given up.</summary>
        internal void HandlerFailed(Exception error)
        {
            lock (_gate)
            {
                if (_failure == null)
                {
                    End(new LinkException(LostReason.HandlerFailed, error.Message, error));
                }
            }
        }

        /// <summary>Raises what has happened meanwhile, unless that is being done.</summary>
        private void DispatchNow()
        {
            lock (_gate)
            {
                if (_dispatching)
                {
                    return;
                }
                _dispatching = true;
                TakeEvents();
            }
            Dispatch();
        }

        /// <summary>What a handler that throws leaves is told the next time.</summary>
        private void Dispatch()
        {
            try
            {
                do
                {
                    while (_dispatched < _events.Count)
                    {
                        Emit(_events[_dispatched++]);
                    }
                    SendPending();
                }
                while (HasMoreEvents());
            }
            catch
            {
                lock (_gate)
                {
                    _dispatching = false;
                }
                throw;
            }
        }

        /// <summary>Ends the dispatching when there is nothing: what comes a moment later is told by whoever brings it.</summary>
        private bool HasMoreEvents()
        {
            lock (_gate)
            {
                TakeEvents();
                _dispatching = _events.Count > 0;
                return _dispatching;
            }
        }

        private void TakeEvents()
        {
            if (_dispatched == _events.Count)
            {
                _events.Clear();
                _dispatched = 0;
            }
            for (var at = 0; at < _mux.Events.Count; at++)
            {
                _events.Add(_mux.Events[at]);
            }
            _mux.Events.Clear();
        }

        private void Emit(MuxEvent happened)
        {
            switch (happened.Kind)
            {
                case MuxEventKind.Up:
                    CompleteReady();
                    Raise(Ready);
                    break;
                case MuxEventKind.Incoming:
                    Offer();
                    break;
                case MuxEventKind.Interrupted:
                    Raise(Interrupted);
                    break;
                case MuxEventKind.Resumed:
                    Raise(Resumed);
                    break;
                case MuxEventKind.Lost:
                    EmitLost();
                    break;
                default:
                    EmitToConn(happened);
                    break;
            }
        }

        private void EmitToConn(MuxEvent happened)
        {
            Conn conn;
            lock (_gate)
            {
                conn = happened.Channel.Conn;
            }
            if (conn != null)
            {
                conn.Emit(happened.Kind);
            }
        }

        /// <summary>Hands the connection that waits to whoever accepts; it goes on waiting when that is nobody.</summary>
        private void Offer()
        {
            if (CompleteAccept())
            {
                return;
            }
            var handler = Accepted;
            var conn = handler == null ? null : Accept();
            if (conn != null)
            {
                handler(conn);
            }
        }

        private void EmitLost()
        {
            CompleteAll();
            var handler = Lost;
            if (handler != null && _failure.Reason != LostReason.Closed && _failure.Reason != LostReason.Unconfirmed)
            {
                handler(_failure);
            }
        }

        private void Raise(Action<EndPoint> handler)
        {
            if (handler != null)
            {
                handler(this);
            }
        }
    }
}
