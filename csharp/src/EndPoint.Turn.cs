using System;
using System.Diagnostics;
using System.Threading;
using Fastway.EndPoints;
using Fastway.Links;
using Fastway.Multiplexing;

namespace Fastway
{
    // What one turn does, under the lock.
    public partial class EndPoint
    {
        /// <summary>
        /// Milliseconds for which a server waits for its challenge on a link that is live. The gateway sends it first of all,
        /// and gives the whole handshake no more time.
        /// </summary>
        private const long ChallengePatience = 5000;

        /// <summary>Bytes of those that were read ahead that are acknowledged.</summary>
        private const int AcknowledgedAheadBytes = 4 << 20;

        /// <summary>
        /// Bytes that are read ahead at most. A gateway keeps less than the difference for a link (--client-send-bytes,
        /// --server-send-bytes), but for the time of --client-slow-grace.
        /// </summary>
        private const int MostAheadBytes = 64 << 20;

        private readonly ReadBudget _readBudget;

        /// <summary>When the reading of this poll has to end, in ticks of the stopwatch.</summary>
        private long _readUntil;

        /// <summary>The last turn ended its reading because too much waited to be received.</summary>
        private bool _wasHeld;

        /// <summary>When the gateway answered for the first time; null before.</summary>
        private long? _upSince;

        private bool _wasLive;
        private long _liveSince;

        /// <summary>In UTC.</summary>
        private DateTime _lastHeard;

        /// <summary>The program is being asked what to do about a silent gateway; nothing is judged meanwhile.</summary>
        private bool _isAsking;

        /// <summary>Whoever begins a turn dispatches what it brings.</summary>
        private void BeginTurn()
        {
            _dispatching = true;
            Turn(Clock.Now);
            TakeEvents();
        }

        /// <summary>Goes on with a poll whose handlers have taken what held the link, while it has time left.</summary>
        private bool BeginAnotherTurn()
        {
            lock (_gate)
            {
                var isMore = _wasHeld && !_mux.IsHeld && !_dispatching && _failure == null
                    && Stopwatch.GetTimestamp() < _readUntil;
                if (isMore)
                {
                    BeginTurn();
                }
                return isMore;
            }
        }

        private void Turn(long now)
        {
            if (_failure != null)
            {
                return;
            }
            _link.Step(now);
            ReadAll(now);
            if (_mux.IsUp && _upSince == null)
            {
                _upSince = now;
            }
            _mux.Tick(now);
            StayAlive(now);
            WriteAll(now);
            SeeChanges();
            SeeEnd(now);
        }

        private void ReadAll(long now)
        {
            var isMore = true;
            while (isMore && Process(now) && (!_mux.IsHeld || ReadsAhead))
            {
                var space = _mux.Input.Space();
                var count = _link.Read(space, now);
                _mux.Input.Added(count);
                WithholdAcks(now);
                if (count > 0)
                {
                    _keepAlive.Heard();
                    _lastHeard = DateTime.UtcNow;
                }
                isMore = count > 0 && Stopwatch.GetTimestamp() < _readUntil;
            }
            _wasHeld = isMore && _mux.IsHeld;
            Process(now);
            WithholdAcks(now);
            _mux.Input.Rest();
        }

        /// <summary>
        /// A held link is read while nothing can be written: what waits to be sent may be what keeps the link held, and the
        /// acknowledgements that it waits for come behind all else.
        /// </summary>
        private bool ReadsAhead
        {
            get { return _link.WaitsForAcks && _mux.Input.Waiting < MostAheadBytes; }
        }

        /// <summary>
        /// What was read far ahead is acknowledged when it is looked at. The gateway keeps only so much that is not
        /// acknowledged: so its own acknowledgements are found, however much it has to send.
        /// </summary>
        private void WithholdAcks(long now)
        {
            _link.Withhold(Math.Max(0, _mux.Input.Waiting - AcknowledgedAheadBytes), now);
        }

        private bool Process(long now)
        {
            if (_failure != null)
            {
                return false;
            }
            var fault = _mux.Process(now);
            if (fault != null)
            {
                End(new LinkException(_mux.IsUp ? LostReason.Protocol : LostReason.NotAGateway, fault));
            }
            return fault == null;
        }

        private void WriteAll(long now)
        {
            bool isMore;
            do
            {
                isMore = WriteSome(now);
                _link.Flush(now);
            }
            while (isMore && _mux.Output.Count > 0);
            if (_driver != null && _mux.HasRoom)
            {
                Monitor.PulseAll(_gate);
            }
        }

        private bool WriteSome(long now)
        {
            var taken = 0;
            int count;
            do
            {
                count = _mux.Output.Count == 0 || _failure != null ? 0 : _link.Write(_mux.Output.First(), now);
                if (count > 0)
                {
                    _mux.Output.Drop(count);
                    taken += count;
                }
            }
            while (count > 0);
            return taken > 0;
        }

        private void StayAlive(long now)
        {
            var isPinged = _link.IsLive && (_mux.IsUp || _isOriginal);
            if (!isPinged || _mux.IsHeld)
            {
                // While nobody listens, silence means nothing.
                _keepAlive.Heard();
            }
            if (_link.IsLive && !_wasLive)
            {
                _keepAlive.Start(now);
                _liveSince = now;
            }
            _wasLive = _link.IsLive;
            if (_link.TakeNewTransport())
            {
                AskForConfirmation(now);
            }
            if (_isAsking)
            {
                return;
            }
            if (_keepAlive.IsSilent(now))
            {
                JudgeSilence(now);
            }
            else if (isPinged && _keepAlive.IsPingDue(now))
            {
                _mux.Ping();
            }
        }

        /// <summary>A network can fall silent as soon as a session is resumed. A server's first word is not a ping.</summary>
        private void AskForConfirmation(long now)
        {
            _keepAlive.Start(now);
            if (_keepAlive.IsOn && !_mux.AwaitsChallenge)
            {
                _mux.Ping();
                _link.ExpectConfirmation(now);
            }
        }

        private void JudgeSilence(long now)
        {
            _keepAlive.Start(now);
            if (_timeoutCallback != null)
            {
                _isAsking = true;
                new Thread(AskWhetherToGoOn) { IsBackground = true, Name = "fastway ping timeout" }.Start();
            }
            else
            {
                _link.Silent(now);
            }
        }

        /// <summary>On a thread of its own: a callback that connects again takes its time, while messages may still flow.</summary>
        private void AskWhetherToGoOn()
        {
            var goesOn = false;
            try
            {
                goesOn = _timeoutCallback();
            }
            catch (Exception error)
            {
                HandlerFailed(error);
            }
            lock (_gate)
            {
                _isAsking = false;
                _keepAlive.Start(Clock.Now);
                if (!goesOn)
                {
                    _link.Silent(Clock.Now);
                }
            }
        }

        private void SeeChanges()
        {
            LinkChange change;
            while ((change = _link.TakeChange()) != LinkChange.None)
            {
                var kind = change == LinkChange.Interrupted ? MuxEventKind.Interrupted : MuxEventKind.Resumed;
                _mux.Events.Add(new MuxEvent(kind, null));
            }
        }

        private void SeeEnd(long now)
        {
            if (_failure != null)
            {
                return;
            }
            if (_link.Failure != null && !_mux.IsHeld)
            {
                End(AsConnecting(_link.Failure));
            }
            else if (!_mux.IsUp && now >= _connectDeadline)
            {
                var step = _admission.WaitedFor(_link.IsConnected, _link.IsLive, _mux.IsGreeted);
                End(new LinkException(LostReason.ConnectTimedOut, _link.IsLive ? step : _link.Trouble ?? step));
            }
            else if (_mux.AwaitsChallenge && _link.IsLive && now - _liveSince >= ChallengePatience)
            {
                End(new LinkException(LostReason.ConnectTimedOut, _admission.NoChallenge()));
            }
            else if (_shutdown != null)
            {
                ShutDown(now);
            }
        }

        /// <summary>What the end of a link means that the gateway has not answered on yet.</summary>
        private LinkException AsConnecting(LinkException end)
        {
            if (_mux.IsUp || end.IsDraining)
            {
                return end;
            }
            if (end.Reason != LostReason.ClosedByGateway && end.Reason != LostReason.Network)
            {
                // A session whose server was not convinced is forgotten by the gateway, so it refuses to go on with it.
                return _mux.IsGreeted && end.Reason == LostReason.SessionRefused
                    ? new LinkException(LostReason.WrongKey, null, end)
                    : end;
            }
            if (_mux.IsGreeted)
            {
                return new LinkException(LostReason.WrongKey, null, end);
            }
            if (_options.Session != null)
            {
                return new LinkException(LostReason.TurnedAway, null, end);
            }
            return _mux.TakeRefusal()
                ? new LinkException(LostReason.NotAdmitted, _admission.PlainRefused(), end)
                : new LinkException(LostReason.TurnedAway, _admission.PlainTurnedAway(), end);
        }

        private void End(LinkException why)
        {
            var now = Clock.Now;
            why.Lived = _upSince == null ? (TimeSpan?)null : TimeSpan.FromMilliseconds(now - _upSince.Value);
            _failure = why;
            _mux.LinkEnded();
            _link.Close(now);
            _mux.Events.Add(new MuxEvent(MuxEventKind.Lost, null));
            Monitor.PulseAll(_gate);
        }

        /// <summary>Where nobody polls soon, what was sent is written at once.</summary>
        private void FlushIfAlone()
        {
            if (_driver != null && _failure == null)
            {
                WriteAll(Clock.Now);
            }
        }
    }
}
