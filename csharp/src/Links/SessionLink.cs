using System;
using System.Collections.Generic;
using System.Net;
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

        /// <summary>Milliseconds at least for which newer attempts stay beside one that was answered; else two round trips, as
        /// connecting and the reply take one.</summary>
        private const long LeastTrial = 50;

        /// <summary>Attempts at a time.</summary>
        private const int MostAttempts = 3;

        private const int NoRefusal = -1;

        /// <summary>
        /// The pause behind a refusal. It is short, and does not grow: the gateway is there, and all that is wanted is that it
        /// says the same again.
        /// </summary>
        private static readonly TimeSpan RefusalPause = TimeSpan.FromMilliseconds(50);

        private readonly Admission _admission;
        private readonly Func<IPAddress, Transport> _connect;
        private readonly Whereabouts _whereabouts = new Whereabouts();
        private readonly Session _session;
        private readonly bool _isLegacy;
        private readonly Pauses _pauses;
        private readonly Pauses _refusalPauses;
        private readonly long _longestPause;
        private readonly long _attemptTimeout;
        private readonly Beside _beside;
        private readonly Delays _delays;
        private readonly Confirmation _confirmation;
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

        /// <summary>The gateway has refused an attempt, and is not to be asked before.</summary>
        private long _notBefore;

        /// <summary>The connection of the transport; null until it has one.</summary>
        private Connected _connected;

        /// <summary>When the newest connection that was seen was made; those without one were given up for it.</summary>
        private long _newestSince;

        /// <summary>Newer attempts stay beside the one that was answered until then.</summary>
        private long _trialEnds;

        private long _liveSince;

        private bool _wasEstablished;

        /// <summary>The session was carried, and has no transport.</summary>
        private bool _isInterrupted;
        private int _failedOpenings;

        /// <summary>The transport carries, or carried, the session.</summary>
        private bool _wasLive;

        /// <summary>Nobody was told yet that the transport carries the session, since another one did before.</summary>
        private bool _isNew;

        /// <summary>The gateway goes on by the transport, too.</summary>
        private bool _isConfirmed;

        /// <summary>The gateway had its time to confirm the transport, and attempts are under way to replace it.</summary>
        private bool _isLate;

        private Fault _fault;

        /// <summary>Bytes that came in answer to the first message.</summary>
        private int _replyBytes;

        /// <summary>The status with which the gateway has refused the first message.</summary>
        private int _refusal = NoRefusal;

        /// <summary>Milliseconds after which the gateway wants to be asked again, if it said so with its refusal; else 0.</summary>
        private int _retryAfter;

        /// <summary>Why it is over; it becomes the failure when the stream was read to its end.</summary>
        private LinkException _over;

        /// <summary>A session over what the function connects, whenever a transport is needed: to an address at which the
        /// gateway was before, or to wherever its name leads for null.</summary>
        public SessionLink(EndPointOptions options, Admission admission, Func<IPAddress, Transport> connect, long now)
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
            _beside = new Beside(options.Session.AttemptTimeout);
            _delays = new Delays(options.Session.AttemptTimeout, random);
            _confirmation = new Confirmation((long)options.Session.SilentAfter.TotalMilliseconds, random);
            _notBefore = now;
            _delays.BeginAt(now);
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
                    SeeIfLate(now);
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

        public override bool TakeNewTransport()
        {
            var isNew = _isNew;
            _isNew = false;
            return isNew;
        }

        public override void ExpectConfirmation(long now)
        {
            if (_session.IsLive && !_isConfirmed)
            {
                _confirmation.Expect(_delays.LeastConnected, now);
            }
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
            GiveUpBeside();
            Lose(now);
            _pauses.Reset();
            _confirmation.Reset();
            _whereabouts.Reset();
            _notBefore = now;
            _delays.BeginAt(now);
        }

        /// <summary>The transport is that of an attempt.</summary>
        private bool IsAttempting
        {
            get { return _transport != null && !_session.IsLive; }
        }

        /// <summary>The newest connection of the attempts that are under way; null if none has one.</summary>
        private Connected NewestConnection
        {
            get { return Connected.Newer(IsAttempting ? _connected : null, _beside.NewestConnection); }
        }

        /// <summary>Begins one more attempt, beside the transport if there is one.</summary>
        private void BeginAttempt(long now)
        {
            var transport = _connect(_whereabouts.Next(NewestConnection != null, now));
            if (!HasRoom)
            {
                GiveUpOldest();
            }
            if (_transport == null)
            {
                _transport = transport;
                _attemptBegan = now;
                _attemptEnds = now + _attemptTimeout;
            }
            else
            {
                _beside.Add(new Try(transport, now));
            }
            _delays.BeginBeside(now);
        }

        /// <summary>There may be one more attempt.</summary>
        private bool HasRoom
        {
            get { return _beside.Count + (IsAttempting ? 1 : 0) < MostAttempts; }
        }

        /// <summary>The newest resume has the place of the oldest at the gateway, too.</summary>
        private void GiveUpOldest()
        {
            if (!IsAttempting || !_beside.AreNewerThan(_attemptBegan))
            {
                _beside.CloseOldest();
                return;
            }
            byte[] reply = null;
            var attempt = _asks ? _session.LeaveAttempt(out reply) : null;
            if (attempt != null)
            {
                attempt.Forget();
            }
            DropTransport();
        }

        /// <summary>
        /// Gives up the attempts without a connection when one gets the first, or a newer one: whoever connects late would take its
        /// place at the gateway. But it may have been led to another gateway than the one that has the session.
        /// </summary>
        private void GiveUpUnconnected()
        {
            var newest = NewestConnection;
            if (_session.IsLive || newest == null || newest.Since <= _newestSince)
            {
                return;
            }
            _newestSince = newest.Since;
            if (!_whereabouts.IsThere(newest.Peer))
            {
                return;
            }
            _beside.CloseUnless(tried => tried.Connected != null);
            if (_transport != null && _connected == null)
            {
                DropTransport();
            }
        }

        /// <summary>No attempt is to go on beside the transport, and the delays are the first again.</summary>
        private void GiveUpBeside()
        {
            _beside.Close();
            _delays.Reset();
            _isLate = false;
        }

        private void KeepConnected(long now)
        {
            TryBeside(now);
            if (_over != null)
            {
                return;
            }
            GiveUpUnconnected();
            if (_transport == null)
            {
                if (now < _delays.Due(NewestConnection))
                {
                    return;
                }
                BeginAttempt(now);
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
            if (_session.End != null)
            {
                _beside.Close();
                return;
            }
            if (_isLate)
            {
                Replace(now);
                return;
            }
            if (_session.IsLive)
            {
                TryNewer(now);
                return;
            }
            // What is not read yet lies where the next bytes go to.
            var over = _stream.Count == 0 ? _beside.Step(_session, now) : null;
            if (over != null && over.IsAnswered && !over.IsRefused)
            {
                GoOnBy(over, now);
            }
            else if (over != null)
            {
                FailedBeside(over, now);
            }
            else if (_transport != null && now >= _delays.Due(NewestConnection) && (HasRoom || _wasEstablished))
            {
                BeginAttempt(now);
            }
        }

        /// <summary>All that has come was read. Another transport is needed if the gateway has not confirmed this one in time.</summary>
        private void SeeIfLate(long now)
        {
            if (_confirmation.IsLate(now))
            {
                GiveUpBeside();
                _delays.BeginAt(now);
                _isLate = true;
            }
        }

        /// <summary>Sees to the attempts that are to replace a transport which the gateway does not confirm. That one goes on until
        /// the first of them has its connection.</summary>
        private void Replace(long now)
        {
            if (now >= _delays.Due(null))
            {
                BeginAttempt(now);
            }
            var over = _beside.Connect(now);
            if (over != null && over.Transport.IsOpen)
            {
                GoOnTrying(over, now);
            }
            else if (over != null)
            {
                FailedBeside(over, now);
            }
        }

        /// <summary>The transport is given up for an attempt that has its connection, beside which the others go on.</summary>
        private void GoOnTrying(Try connected, long now)
        {
            _session.TransportLost(now);
            SeeEvents(now);
            DropTransport();
            _transport = connected.Transport;
            _attemptBegan = connected.Began;
            _attemptEnds = connected.Began + _attemptTimeout;
        }

        /// <summary>Sees to attempts that are newer than the one that was answered: the gateway may have gone on by one of them,
        /// and closed that one. What else comes of them says nothing of a session that is carried.</summary>
        private void TryNewer(long now)
        {
            if (_beside.IsEmpty)
            {
                return;
            }
            _beside.CloseUnless(tried => now < _trialEnds && IsNewer(tried));
            var over = _stream.Count == 0 ? _beside.Step(_session, now) : null;
            if (over == null)
            {
                return;
            }
            if (over.IsAnswered && !over.IsRefused && over.Attempt.IsAuthentic(over.Reply.Array))
            {
                GoOnBy(over, now);
            }
            else
            {
                over.Close();
            }
        }

        private bool IsNewer(Try tried)
        {
            return tried.Attempt != null && _session.MayGoOnBy(tried.Attempt);
        }

        /// <summary>An attempt beside others was refused, or has ended. They go on: a gateway that is full refuses one of
        /// them for the sake of another.</summary>
        private void FailedBeside(Try failed, long now)
        {
            _whereabouts.Failed(failed.Transport);
            if (failed.IsRefused)
            {
                _session.RefusedBeside(failed.Reply.Array, now);
                SeeEvents(now);
                if (_refusal != NoRefusal && _refusal != Status.StaleAttempt)
                {
                    _delays.Reset();
                    PauseAfter(failed.Transport, IsRefusedForGood, now);
                }
                _refusal = NoRefusal;
                _retryAfter = 0;
            }
            else if (failed.HasEnded)
            {
                _delays.Reset();
                PauseAfter(failed.Transport, false, now);
            }
            failed.Close();
        }

        private void GoOnBy(Try answered, long now)
        {
            PutAside();
            DropTransport();
            _transport = answered.Transport;
            _attemptBegan = answered.Began;
            _connected = answered.Connected;
            _attemptEnds = now + _attemptTimeout;
            _asks = true;
            _session.GoOnBy(answered.Attempt);
            var reply = answered.Reply;
            var space = _session.ReceiveSpace();
            Buffer.BlockCopy(reply.Array, reply.Offset, space.Array, space.Offset, reply.Count);
            _replyBytes += _wasEstablished ? 0 : reply.Count;
            Take(reply.Count, now);
        }

        /// <summary>The transport that has no answer yet is one of those beside another from now on.</summary>
        private void PutAside()
        {
            byte[] reply = null;
            var attempt = _asks ? _session.LeaveAttempt(out reply) : null;
            if (attempt != null)
            {
                var sent = attempt.Hello.Length - (_outputEnd - _outputStart);
                _beside.Add(new Try(_transport, _attemptBegan, _connected, attempt, sent, reply));
                _transport = null;
            }
        }

        /// <summary>An attempt was answered.</summary>
        private void Answered(long now)
        {
            _liveSince = now;
            _wasLive = true;
            _notBefore = now;
            _whereabouts.Carries(_transport);
            var reply = now - _connected.Since;
            // A proxy nearby connects at once, whatever the way behind it takes.
            _trialEnds = now + Math.Max(LeastTrial, 2 * Math.Max(_connected.After, reply));
            _beside.CloseUnless(IsNewer);
            _delays.Learn(_connected.After, reply);
            _delays.Reset();
            _isConfirmed = false;
        }

        private void Ask(long now)
        {
            var hello = _session.Connect(now);
            Buffer.BlockCopy(hello.Array, hello.Offset, _output, 0, hello.Count);
            _outputStart = 0;
            _outputEnd = hello.Count;
            _asks = true;
            _connected = new Connected(_transport.Peer, _attemptBegan, now);
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
            var wasLate = _isLate;
            _session.TransportLost(now);
            // The end may be what makes a refusal of the bytes before it.
            SeeEvents(now);
            var isTurnedAway = IsRefusedForGood || FailedToOpen(now);
            _whereabouts.Failed(_transport);
            if (wasOfUse)
            {
                _pauses.Reset();
            }
            // Newer attempts have its place already.
            var isReplaced = !_beside.IsEmpty && (wasLate || _refusal == Status.StaleAttempt);
            if (!isReplaced && _wasLive && !_beside.IsEmpty)
            {
                // One of them may have taken its place at the gateway. Another one would take that place again, just before the
                // answer comes, and so on without an end where the way is long.
                _delays.BeginBeside(now);
            }
            else if (!isReplaced && wasOfUse)
            {
                _notBefore = now;
                _delays.BeginAt(now);
            }
            else if (!isReplaced)
            {
                if (!IsUnanswered(now))
                {
                    _delays.Reset();
                }
                PauseAfter(_transport, isTurnedAway, now);
            }
            DropTransport();
        }

        /// <summary>Puts the next attempt off, after one by this transport. What another gateway says is no reason to wait for
        /// the right one.</summary>
        private void PauseAfter(Transport transport, bool isTurnedAway, long now)
        {
            var isElsewhere = _refusal != NoRefusal && _whereabouts.IsRefusedElsewhere(transport, now);
            var pause = isElsewhere ? _refusalPauses.Next()
                : _retryAfter > 0 ? _pauses.AfterOverload(_retryAfter)
                : (isTurnedAway ? _refusalPauses : _pauses).Next();
            if (!isElsewhere && (IsRefusedForGood || _retryAfter > 0))
            {
                _notBefore = now + pause;
            }
            if (!isElsewhere && _retryAfter > 0)
            {
                _delays.Slow();
            }
            _delays.BeginAt(Math.Max(now + pause, _notBefore));
        }

        /// <summary>
        /// A transport that the gateway has confirmed, or that has lived for long, is replaced at once. One that the gateway
        /// takes and drops again is not: it would be hammered.
        /// </summary>
        private bool WasOfUse(long now)
        {
            return _wasLive && (_isConfirmed || now - _liveSince > _longestPause);
        }

        /// <summary>The attempt was not cut or refused: its time is over.</summary>
        private bool IsUnanswered(long now)
        {
            return !_transport.HasEnded && _fault == Fault.None && now >= _attemptEnds;
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
            _failedOpenings++;
            if ((_failedOpenings >= FailuresBelieved && _beside.IsEmpty) || isChallenged)
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
            _confirmation.Forget();
            _connected = null;
            _asks = _wasLive = _isNew = _isConfirmed = _isLate = false;
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
                    _isNew = true;
                    if (_isInterrupted)
                    {
                        _changes.Enqueue(LinkChange.Resumed);
                    }
                    _isInterrupted = false;
                    break;
                case SessionEventKind.Confirmed:
                    _isConfirmed = true;
                    _confirmation.Reset();
                    if (_isLate)
                    {
                        GiveUpBeside();
                    }
                    break;
                case SessionEventKind.Interrupted:
                    _isInterrupted = true;
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
                : new LinkException(ReasonOf(end), end.Reason, null, end.IsDraining);
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
