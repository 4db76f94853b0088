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

        /// <summary>
        /// Openings in a row without a reply after which the port is believed to take none, as with refusals: one of them may
        /// be the network's fault.
        /// </summary>
        private const int FailuresBelieved = 4;

        private const int NoRefusal = -1;

        /// <summary>
        /// The pause behind a refusal. It is short, and does not grow: the gateway is there, and all that is wanted is that it
        /// says the same again.
        /// </summary>
        private static readonly TimeSpan RefusalPause = TimeSpan.FromMilliseconds(50);

        private readonly Admission _admission;
        private readonly Func<Transport> _connect;
        private readonly Session _session;
        private readonly bool _isLegacy;
        private readonly Pauses _pauses;
        private readonly Pauses _refusalPauses;
        private readonly long _longestPause;
        private readonly long _attemptTimeout;
        private readonly Beside _beside;
        private readonly Queue<LinkChange> _changes = new Queue<LinkChange>();
        private readonly byte[] _output = new byte[Session.MinSendBytes];
        private int _outputStart;
        private int _outputEnd;

        /// <summary>Bytes of the stream that were not read yet; they lie in the session's memory.</summary>
        private ArraySegment<byte> _stream;

        private Transport _transport;

        /// <summary>The transport has carried the session's first message, or is about to.</summary>
        private bool _asks;

        private long _attemptBegan;
        private long _attemptEnds;
        private long _nextAttempt;
        private long _liveSince;

        /// <summary>What had got through when the last transport was lost.</summary>
        private ulong _progress;

        private bool _wasEstablished;
        private int _failedOpenings;

        /// <summary>The transport carries, or carried, the session.</summary>
        private bool _wasLive;

        private Fault _fault;

        /// <summary>Bytes that came in answer to the first message.</summary>
        private int _replyBytes;

        /// <summary>The status with which the gateway has refused the first message.</summary>
        private int _refusal = NoRefusal;

        /// <summary>Milliseconds after which the gateway wants to be asked again, if it said so with its refusal; else 0.</summary>
        private int _retryAfter;

        /// <summary>Why it is over; it becomes the failure when the stream was read to its end.</summary>
        private LinkException _over;

        /// <summary>A session over what the function connects, whenever a transport is needed.</summary>
        public SessionLink(EndPointOptions options, Admission admission, Func<Transport> connect, long now)
        {
            _admission = admission;
            _connect = connect;
            _session = NewSession(options, now);
            _isLegacy = options.Session.IsLegacy;
            var random = new Random();
            _pauses = new Pauses(options.Session.FirstPause, options.Session.LongestPause, random);
            _refusalPauses = new Pauses(RefusalPause, RefusalPause, random);
            _longestPause = (long)options.Session.LongestPause.TotalMilliseconds;
            _attemptTimeout = (long)options.Session.AttemptTimeout.TotalMilliseconds;
            _beside = new Beside(connect, options.Session.AttemptTimeout, random);
            _nextAttempt = now;
        }

        public override bool IsLive
        {
            get { return _session.IsLive && _over == null; }
        }

        public override bool IsConnected
        {
            get { return _transport != null && _transport.IsOpen; }
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
                _replyBytes += _wasEstablished ? 0 : count;
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

        public override bool WaitsForAcks
        {
            get { return !_isLegacy && _session.Room == 0; }
        }

        public override void Withhold(int bytes, long now)
        {
            _session.Withhold(bytes, now);
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
            if (transport == null || !_beside.IsEmpty)
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
            _beside.Close();
            DropTransport();
            _session.Forget();
        }

        /// <summary>The gateway will repeat what it has said.</summary>
        private bool IsRefusedForGood
        {
            get { return _refusal != NoRefusal && Status.WouldBeFinal((byte)_refusal); }
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
            _beside.Close();
            _beside.Reset();
            Lose(now);
            _pauses.Reset();
            _nextAttempt = now;
        }

        private void KeepConnected(long now)
        {
            TryBeside(now);
            if (_over != null)
            {
                return;
            }
            if (_transport == null)
            {
                if (now < _nextAttempt)
                {
                    return;
                }
                _transport = _connect();
                _attemptBegan = now;
                _attemptEnds = now + _attemptTimeout;
                _beside.Begin(now);
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

        /// <summary>Sees to the attempts beside one that has no answer, and goes on by the first that is answered.</summary>
        private void TryBeside(long now)
        {
            if (_session.IsLive || _session.End != null)
            {
                _beside.Close();
                return;
            }
            // What is not read yet lies where the next bytes go to.
            var answered = _stream.Count == 0 ? _beside.Step(_session, now) : null;
            if (answered != null)
            {
                GoOnBy(answered, now);
            }
            else if (_transport != null)
            {
                _beside.BeginIfDue(now);
            }
        }

        private void GoOnBy(Try answered, long now)
        {
            _beside.Close();
            DropTransport();
            _transport = answered.Transport;
            _attemptBegan = answered.Began;
            _attemptEnds = now + _attemptTimeout;
            _asks = true;
            _session.GoOnBy(answered.Attempt);
            var reply = answered.Reply;
            var space = _session.ReceiveSpace();
            Buffer.BlockCopy(reply.Array, reply.Offset, space.Array, space.Offset, reply.Count);
            _replyBytes += _wasEstablished ? 0 : reply.Count;
            Take(reply.Count, now);
        }

        /// <summary>An attempt was answered.</summary>
        private void Answered(long now)
        {
            _liveSince = now;
            _wasLive = true;
            _beside.AnsweredAfter = Math.Max(1, now - _attemptBegan);
            _beside.Close();
            _beside.Reset();
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
            _fault = _session.Receive(count, now, out _stream);
            SeeEvents(now);
            if (_fault != Fault.None)
            {
                Trouble = _fault == Fault.Refused ? Trouble : "the gateway's answer: " + _fault;
                // The session may still have to say why.
                Flush(now);
                Lose(now);
            }
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
            var wasOfUse = WasOfUse(now);
            _session.TransportLost(now);
            // The end may be what makes a refusal of the bytes before it.
            SeeEvents(now);
            var isTurnedAway = IsRefusedForGood || FailedToOpen(now);
            var retryAfter = _retryAfter;
            if (_refusal != NoRefusal)
            {
                // The gateway is there, and has said when to come again.
                _beside.Close();
            }
            if (retryAfter > 0)
            {
                _beside.Slow();
            }
            DropTransport();
            if (wasOfUse)
            {
                _pauses.Reset();
                _nextAttempt = now;
            }
            else if (retryAfter > 0)
            {
                _nextAttempt = now + _pauses.AfterOverload(retryAfter);
            }
            else
            {
                _nextAttempt = now + (isTurnedAway ? _refusalPauses : _pauses).Next();
            }
        }

        /// <summary>
        /// A transport by which something got through, or that has lived for long, is replaced at once. One that the gateway
        /// takes and drops again is not: it would be hammered.
        /// </summary>
        private bool WasOfUse(long now)
        {
            var progress = _session.Progress;
            var wasOfUse = _wasLive && (progress > _progress || now - _liveSince > _longestPause);
            _progress = progress;
            return wasOfUse;
        }

        /// <summary>
        /// The port took the connection and gave no reply to the opening. Often enough in a row, that is the end, and at once
        /// where it has said what ports of another kind say. Silence alone may be the network's.
        /// </summary>
        private bool FailedToOpen(long now)
        {
            var hasEnded = _transport.HasEnded || _fault != Fault.None;
            var isChallenged = now >= _attemptEnds && _admission.IsChallenge(_replyBytes);
            if (!_asks || _wasEstablished || _refusal != NoRefusal || !(hasEnded || isChallenged))
            {
                return false;
            }
            if (++_failedOpenings >= FailuresBelieved || isChallenged)
            {
                _over = _over ?? _admission.NotOpened(_replyBytes);
            }
            return true;
        }

        private void DropTransport()
        {
            if (_transport != null)
            {
                _transport.Close();
                _transport = null;
            }
            _asks = _wasLive = false;
            _replyBytes = 0;
            _refusal = NoRefusal;
            _retryAfter = 0;
            _fault = Fault.None;
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
                    _wasEstablished = true;
                    Answered(now);
                    break;
                case SessionEventKind.Resumed:
                    Answered(now);
                    _changes.Enqueue(LinkChange.Resumed);
                    break;
                case SessionEventKind.Interrupted:
                    _changes.Enqueue(LinkChange.Interrupted);
                    break;
                case SessionEventKind.Refused:
                    Trouble = SessionEnd.Refused(happened.Status).ToString();
                    _refusal = happened.Status;
                    _retryAfter = happened.RetryAfter;
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
                    _over = _over ?? FailureOf(happened.End);
                    break;
            }
        }

        private LinkException FailureOf(SessionEnd end)
        {
            return end.Kind == SessionEndKind.Refused && !_wasEstablished
                ? _admission.Refused(end)
                : new LinkException(ReasonOf(end), end.Reason);
        }

        private static LostReason ReasonOf(SessionEnd end)
        {
            switch (end.Kind)
            {
                case SessionEndKind.Refused:
                    return LostReason.SessionRefused;
                case SessionEndKind.AbortedByPeer:
                    return end.Code == AbortReason.TooSlow ? LostReason.TooSlow
                        : end.Code == AbortReason.Replaced ? LostReason.Replaced
                        : LostReason.SessionAborted;
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
