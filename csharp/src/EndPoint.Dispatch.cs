using System;
using System.Collections.Generic;
using Fastway.Multiplexing;

namespace Fastway
{
    // What is told to users, without the lock.
    public partial class EndPoint
    {
        /// <summary>What is to be told, from <see cref="_told"/> on; only who dispatches touches them.</summary>
        private readonly List<MuxEvent> _toTell = new List<MuxEvent>();

        private int _told;
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

        /// <summary>Tells what has happened meanwhile, unless that is being done.</summary>
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
                    while (_told < _toTell.Count)
                    {
                        Tell(_toTell[_told++]);
                    }
                    SendPending();
                }
                while (IsMoreToTell());
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
        private bool IsMoreToTell()
        {
            lock (_gate)
            {
                TakeEvents();
                _dispatching = _toTell.Count > 0;
                return _dispatching;
            }
        }

        private void TakeEvents()
        {
            if (_told == _toTell.Count)
            {
                _toTell.Clear();
                _told = 0;
            }
            for (var at = 0; at < _mux.Events.Count; at++)
            {
                _toTell.Add(_mux.Events[at]);
            }
            _mux.Events.Clear();
        }

        private void Tell(MuxEvent happened)
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
                    TellOfLoss();
                    break;
                default:
                    TellConn(happened);
                    break;
            }
        }

        private void TellConn(MuxEvent happened)
        {
            Conn conn;
            lock (_gate)
            {
                conn = happened.Channel.Conn;
            }
            if (conn != null)
            {
                conn.Tell(happened.Kind);
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

        private void TellOfLoss()
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
