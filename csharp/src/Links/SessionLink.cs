using System;
using System.Collections.Generic;
using System.Threading;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>A link that outlives its transports: a session that finds its way back to the gateway.</summary>
    /// <remarks>
    /// <code>
    ///   pausing --time, NetworkChanged--> connecting --hello--> asking --reply--> live
    ///      ^--------------------------------'--------------------'---------------'   lost, refused, timed out
    /// </code>
    /// </remarks>
    internal sealed class SessionLink : Link
    {
        /// <summary>Milliseconds to open a secure session; the time for connecting is shorter, as a rule.</summary>
        private const long OpenPatience = 60 * 1000;

        private readonly Func<Transport> _connect;
        private readonly Session _session;
        private readonly Pauses _pauses;
        private readonly long _attemptTimeout;
        private readonly Queue<LinkChange> _changes = new Queue<LinkChange>();
        private readonly byte[] _output = new byte[Session.MinSendBytes];
        private int _outputStart;
        private int _outputEnd;

        /// <summary>Bytes of the stream that were not read yet; they lie in the session's memory.</summary>
        private ArraySegment<byte> _stream;

        private Transport _transport;

        /// <summary>The transport has carried the session's first message, or is about to.</summary>
        private bool _asks;

        private long _attemptEnds;
        private long _nextAttempt;
        private long _liveSince;

        /// <summary>Why it is over; it becomes the failure when the stream was read to its end.</summary>
        private LinkException _over;

        /// <summary>A session over what the function connects, whenever a transport is needed.</summary>
        public SessionLink(EndPointOptions options, Func<Transport> connect, long now)
        {
            _connect = connect;
            _session = NewSession(options, now);
            _pauses = new Pauses(options.Session.FirstPause, options.Session.LongestPause, new Random());
            _attemptTimeout = (long)options.Session.AttemptTimeout.TotalMilliseconds;
            _nextAttempt = now;
        }

        public override bool IsLive
        {
            get { return _session.IsLive && _over == null; }
        }

        public override bool IsClosed
        {
            get { return _session.End != null; }
        }

        public override void Step(long now)
        {
            if (now >= _session.Timeout)
            {
                _session.Tick(now);
            }
            SeeEvents(now);
            if (_over == null)
            {
                KeepConnected(now);
            }
            Flush(now);
        }

        public override int Read(ArraySegment<byte> into, long now)
        {
            while (_stream.Count == 0 && _transport != null && _asks)
            {
                var count = _transport.Read(_session.ReceiveSpace());
                if (count == 0)
                {
                    LoseIfEnded(now);
                    break;
                }
                Take(count, now);
            }
            return GiveStream(into);
        }

        public override int Write(ArraySegment<byte> bytes, long now)
        {
            if (_over != null || _session.IsClosed)
            {
                return 0;
            }
            return _session.Write(bytes.Array, bytes.Offset, Math.Min(bytes.Count, _session.Room));
        }

        public override void Flush(long now)
        {
            while (_transport != null && _asks && (_outputStart < _outputEnd || FillOutput(now)))
            {
                var rest = new ArraySegment<byte>(_output, _outputStart, _outputEnd - _outputStart);
                var count = _transport.Write(rest);
                _outputStart += count;
                if (count == 0)
                {
                    LoseIfEnded(now);
                    return;
                }
            }
        }

        public override LinkChange TakeChange()
        {
            return _changes.Count == 0 ? LinkChange.None : _changes.Dequeue();
        }

        /// <summary>A transport that swallows what is sent is given up.</summary>
        public override void Silent(long now)
        {
            ComeBack(now);
        }

        public override void NetworkChanged(long now)
        {
            ComeBack(now);
        }

        public override void Finish()
        {
            if (_over == null && !_session.IsClosed)
            {
                _session.Close();
            }
        }

        public override void Wait(int milliseconds)
        {
            var transport = _transport;
            if (transport == null)
            {
                Thread.Sleep(1);
            }
            else
            {
                transport.Wait(milliseconds);
            }
        }

        public override void Close(long now)
        {
            _over = _over ?? new LinkException(LostReason.Closed);
            DropTransport();
            _session.Forget();
        }

        private static Session NewSession(EndPointOptions options, long now)
        {
            var settings = options.Session;
            if (settings.IsLegacy)
            {
                var wait = (long)settings.LegacyPatience.TotalMilliseconds;
                return Session.Legacy(settings.Encrypt, settings.ReplayBytes, wait, now, RandomSource.System);
            }
            return Session.Secure(settings.GatewayKey, settings.ReplayBytes, OpenPatience, now, RandomSource.System);
        }

        /// <summary>Drops what may be a way to the gateway, and looks for another one at once.</summary>
        private void ComeBack(long now)
        {
            Lose(now);
            _pauses.Reset();
            _nextAttempt = now;
        }

        private void KeepConnected(long now)
        {
            if (_transport == null)
            {
                if (now < _nextAttempt)
                {
                    return;
                }
                _transport = _connect();
                _attemptEnds = now + _attemptTimeout;
            }
            _transport.Step(now);
            if (_transport.Error != null)
            {
                Trouble = _transport.Error.Message;
            }
            if (_transport.HasEnded || (!_session.IsLive && now >= _attemptEnds))
            {
                Lose(now);
            }
            else if (_transport.IsOpen && !_asks)
            {
                Ask(now);
            }
        }

        private void Ask(long now)
        {
            var hello = _session.Connect(now);
            Buffer.BlockCopy(hello.Array, hello.Offset, _output, 0, hello.Count);
            _outputStart = 0;
            _outputEnd = hello.Count;
            _asks = true;
            SeeEvents(now);
        }

        private bool FillOutput(long now)
        {
            _outputStart = 0;
            _outputEnd = _session.HasOutput(now) ? _session.Send(_output, 0, _output.Length, now) : 0;
            return _outputEnd > 0;
        }

        private void Take(int count, long now)
        {
            var fault = _session.Receive(count, now, out _stream);
            if (fault != Fault.None)
            {
                Trouble = fault == Fault.Refused ? Trouble : "the gateway's answer: " + fault;
                // The session may still have to say why.
                Flush(now);
                Lose(now);
            }
            SeeEvents(now);
        }

        private int GiveStream(ArraySegment<byte> into)
        {
            var count = Math.Min(into.Count, _stream.Count);
            if (count == 0)
            {
                Failure = _over;
                return 0;
            }
            Buffer.BlockCopy(_stream.Array, _stream.Offset, into.Array, into.Offset, count);
            _stream = new ArraySegment<byte>(_stream.Array, _stream.Offset + count, _stream.Count - count);
            return count;
        }

        private void LoseIfEnded(long now)
        {
            if (_transport != null && _transport.HasEnded)
            {
                Lose(now);
            }
        }

        private void Lose(long now)
        {
            if (_transport == null)
            {
                return;
            }
            if (_session.IsLive)
            {
                _pauses.After(now - _liveSince);
            }
            _session.TransportLost(now);
            DropTransport();
            _nextAttempt = now + _pauses.Next();
            SeeEvents(now);
        }

        private void DropTransport()
        {
            if (_transport != null)
            {
                _transport.Close();
                _transport = null;
            }
            _asks = false;
            _outputStart = _outputEnd = 0;
        }

        private void SeeEvents(long now)
        {
            SessionEvent happened;
            while (_session.PollEvent(out happened))
            {
                See(happened, now);
            }
        }

        private void See(SessionEvent happened, long now)
        {
            switch (happened.Kind)
            {
                case SessionEventKind.Established:
                    _liveSince = now;
                    break;
                case SessionEventKind.Resumed:
                    _liveSince = now;
                    _changes.Enqueue(LinkChange.Resumed);
                    break;
                case SessionEventKind.Interrupted:
                    _changes.Enqueue(LinkChange.Interrupted);
                    break;
                case SessionEventKind.Refused:
                    Trouble = "refused with status " + happened.Status;
                    break;
                case SessionEventKind.PeerClosed:
                    if (_session.IsClosed)
                    {
                        // It agrees.
                        break;
                    }
                    _over = _over ?? new LinkException(LostReason.ClosedByGateway);
                    break;
                case SessionEventKind.Ended:
                    _over = _over ?? new LinkException(ReasonOf(happened.End), happened.End.ToString());
                    break;
            }
        }

        private static LostReason ReasonOf(SessionEnd end)
        {
            switch (end.Kind)
            {
                case SessionEndKind.Refused:
                    return LostReason.SessionRefused;
                case SessionEndKind.AbortedByPeer:
                    return LostReason.SessionAborted;
                case SessionEndKind.Expired:
                    return LostReason.SessionExpired;
                case SessionEndKind.PeerFault:
                    return LostReason.Protocol;
                default:
                    return LostReason.Closed;
            }
        }
    }
}
