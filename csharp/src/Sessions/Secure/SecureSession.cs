using System;
using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>The initiator of a secure session (docs/protocol.md §3).</summary>
    internal sealed class SecureSession : Session
    {
        private const byte PatternNn = 0;
        private const byte PatternNk = 1;

        /// <summary>Bytes of noise message 1: its length precedes it, and is hashed before it is made.</summary>
        private const ushort NnBytes = X25519.KeyBytes;
        private const ushort NkBytes = X25519.KeyBytes + ChaChaPoly.TagBytes;
        private const ushort ResumeBytes = X25519.KeyBytes + 8 + ChaChaPoly.TagBytes;

        /// <summary>Less room than this is not worth a record.</summary>
        private const int MinFill = 256;

        private static readonly byte[] Nothing = new byte[0];

        private readonly byte[] _pinnedKey;
        private readonly Outgoing _outgoing = new Outgoing();
        private readonly Incoming _incoming = new Incoming();
        private Ticket _ticket;
        private uint _attempt;
        /// <summary>The attempt on a transport whose reply is not there yet.</summary>
        private SecureAttempt _pending;
        private SecureTransport _live;
        /// <summary>What the other end is to be told before its transport ends.</summary>
        private byte? _abort;

        public SecureSession(byte[] pinnedKey, int replayBytes, long patience, long now, RandomSource random)
            : base(replayBytes, patience, now, random)
        {
            if (pinnedKey != null && pinnedKey.Length != X25519.KeyBytes)
            {
                throw new ArgumentException("A public key has " + X25519.KeyBytes + " bytes.", "pinnedKey");
            }
            _pinnedKey = pinnedKey;
        }

        public override bool IsLive
        {
            get { return _live != null; }
        }

        public override bool IsClosed
        {
            get { return _outgoing.IsClosed; }
        }

        public override ulong Received
        {
            get { return _incoming.Received; }
        }

        public override void Withhold(int bytes, long now)
        {
            _incoming.Withhold(bytes, now);
        }

        public override ulong Progress
        {
            get { return _incoming.Received + _outgoing.Acknowledged; }
        }

        public override long Timeout
        {
            get { return _live == null || End != null ? Lifecycle.Expires : Math.Min(_incoming.AckDue, Lifecycle.Expires); }
        }

        public override void Close()
        {
            _outgoing.Close();
        }

        public override void Abort(byte reason)
        {
            if (End == null)
            {
                _abort = reason;
                Lifecycle.Finish(SessionEnd.Aborted(reason));
            }
        }

        public override bool HasOutput(long now)
        {
            return _live != null && NextRecord(now) != null;
        }

        protected override void DropTransport()
        {
            if (_live != null)
            {
                _live.Wipe();
                _live = null;
            }
            ForgetHandshake();
        }

        public override void Forget()
        {
            base.Forget();
            ForgetTicket();
        }

        private void ForgetHandshake()
        {
            if (_pending != null)
            {
                _pending.Forget();
                _pending = null;
            }
        }

        protected override void Use(Attempt attempt)
        {
            _pending = (SecureAttempt)attempt;
        }

        public override Attempt LeaveAttempt(out byte[] reply)
        {
            var attempt = _pending;
            reply = Bytes.Slice(Inbox.Bytes, Inbox.Start, Inbox.Unread);
            _pending = null;
            return attempt;
        }

        public override bool MayGoOnBy(Attempt attempt)
        {
            return _live != null && _live.Attempt > 0 && !_live.IsAcknowledged
                && ((SecureAttempt)attempt).Number > _live.Attempt;
        }

        /// <summary>An open, or a resume as soon as there is a ticket.</summary>
        protected override Attempt NewAttempt()
        {
            var ephemeral = Random.Draw(X25519.KeyBytes);
            byte[] head, payload;
            Handshake handshake;
            if (_ticket == null)
            {
                head = _pinnedKey == null
                    ? Messages.OpenHead(PatternNn, NnBytes)
                    : Messages.OpenHead(PatternNk, NkBytes);
                payload = Nothing;
                handshake = Handshake.Open(_pinnedKey, Messages.Prologue(head), ephemeral);
            }
            else
            {
                head = Messages.ResumeHead(_ticket.Id, checked(++_attempt), ResumeBytes);
                payload = Messages.Count(_incoming.Received);
                handshake = Handshake.Resume(_ticket.Secret, Messages.Prologue(head), ephemeral);
            }
            var message = handshake.Write(payload);
            if (message == null)
            {
                throw new InvalidOperationException("The pinned key is no public key of anybody.");
            }
            return new SecureAttempt(Bytes.Concat(head, message), _attempt, _incoming.Received, handshake);
        }

        protected override Fault Read(long now)
        {
            if (_pending != null)
            {
                var fault = ReadReply(now);
                if (fault != Fault.None)
                {
                    return fault;
                }
            }
            if (_live != null)
            {
                return ReadRecords(now);
            }
            return _pending != null ? Fault.None : Fault.NoTransport;
        }

        /// <summary>Reads the reply, if all of it is there.</summary>
        private Fault ReadReply(long now)
        {
            if (Inbox.Unread == 0)
            {
                return Fault.None;
            }
            var status = Inbox.Bytes[Inbox.Start];
            if (status != Status.Ok)
            {
                return ReadRefusal(status, now);
            }
            if (Inbox.Unread < Messages.ReplyHeadBytes)
            {
                return Fault.None;
            }
            int noiseBytes = LittleEndian.ReadUInt16(Inbox.Bytes, Inbox.Start + 1);
            if (noiseBytes > Messages.MaxNoiseBytes)
            {
                return Fault.BadLength;
            }
            if (Inbox.Unread < Messages.ReplyHeadBytes + noiseBytes)
            {
                return Fault.None;
            }
            var message = Bytes.Slice(Inbox.Bytes, Inbox.Start + Messages.ReplyHeadBytes, noiseBytes);
            Inbox.Skip(Messages.ReplyHeadBytes + noiseBytes);
            return Agree(message);
        }

        public override void RefusedBeside(byte[] reply, long now)
        {
            TakeRefusal(reply[0], reply[0] == Status.Overloaded ? LittleEndian.ReadUInt16(reply, 1) : 0, now);
        }

        private Fault ReadRefusal(byte status, long now)
        {
            var retryAfter = 0;
            if (status == Status.Overloaded)
            {
                if (Inbox.Unread < Messages.OverloadedBytes)
                {
                    return Fault.None;
                }
                retryAfter = LittleEndian.ReadUInt16(Inbox.Bytes, Inbox.Start + 1);
            }
            TakeRefusal(status, retryAfter, now);
            return End != null ? Fault.Over : Fault.Refused;
        }

        /// <summary>A status of a later version is no reason to believe anything.</summary>
        private void TakeRefusal(byte status, int retryAfter, long now)
        {
            if (Status.IsKnown(status))
            {
                Refused(status, retryAfter, now);
            }
        }

        /// <summary>An acceptor of an older version that is overloaded does not say when to come again.</summary>
        protected override void ReadLastWords()
        {
            if (_pending != null && Inbox.Unread > 0 && Inbox.Unread < Messages.OverloadedBytes
                && Inbox.Bytes[Inbox.Start] == Status.Overloaded)
            {
                Refused(Status.Overloaded);
            }
        }

        private Fault Agree(byte[] message)
        {
            var payload = _pending.Read(message);
            if (payload == null)
            {
                return Fault.NotAuthentic;
            }
            var fault = AgreeOn(payload);
            Secrets.Wipe(payload);
            return fault;
        }

        private Fault AgreeOn(byte[] payload)
        {
            var isResume = _ticket != null;
            if (payload.Length < Ticket.TotalBytes + (isResume ? 8 : 4))
            {
                return Over(SessionEnd.PeerFault("the payload of a handshake message has " + payload.Length + " bytes"));
            }
            var cursor = isResume ? LittleEndian.ReadUInt64(payload, Ticket.TotalBytes) : 0;
            if (!_outgoing.CanContinueFrom(cursor))
            {
                return Over(SessionEnd.Refused(Status.DataGap));
            }
            if (!isResume)
            {
                Lifecycle.Wait = 1000L * LittleEndian.ReadUInt32(payload, Ticket.TotalBytes);
            }
            ForgetTicket();
            _ticket = new Ticket(payload);
            _outgoing.Acknowledge(cursor, cursor, Outbox);
            _incoming.Begin(_pending.Told);
            _live = new SecureTransport(_pending.Number, _pending.Handshake.Split(), cursor, _outgoing, _incoming, Outbox);
            ForgetHandshake();
            Connected();
            FinishIfDone();
            return End != null ? Fault.Over : Fault.None;
        }

        private void ForgetTicket()
        {
            if (_ticket != null)
            {
                _ticket.Wipe();
                _ticket = null;
            }
        }

        /// <summary>Opens record after record in place, and leaves the stream's bytes one behind the other.</summary>
        private Fault ReadRecords(long now)
        {
            while (Inbox.Unread >= Record.LenBytes)
            {
                int bytes = LittleEndian.ReadUInt16(Inbox.Bytes, Inbox.Start);
                if (bytes < Record.MinCiphertextBytes || bytes > Record.MaxCiphertextBytes)
                {
                    return Fault.BadLength;
                }
                if (Inbox.Unread < Record.LenBytes + bytes)
                {
                    return Fault.None;
                }
                var at = Inbox.Start + Record.LenBytes;
                Inbox.Skip(Record.LenBytes + bytes);
                var fault = ReadRecord(at, bytes - ChaChaPoly.TagBytes, now);
                if (fault != Fault.None)
                {
                    return fault;
                }
            }
            return Fault.None;
        }

        private Fault ReadRecord(int at, int plaintextBytes, long now)
        {
            if (_live.Opening.IsWornOut)
            {
                return Fault.WornOut;
            }
            if (!_live.Opening.Open(Inbox.Bytes, at, plaintextBytes))
            {
                return Fault.NotAuthentic;
            }
            Record record;
            if (!Record.TryRead(Inbox.Bytes, at, plaintextBytes, out record))
            {
                return PeerFault("a record of " + plaintextBytes + " bytes makes no sense");
            }
            if (record.Kind == RecordKind.Abort)
            {
                return Over(SessionEnd.AbortedByPeer(record.Reason));
            }
            int fresh;
            var wrong = Act(record, now, out fresh);
            if (wrong != null)
            {
                return PeerFault(wrong);
            }
            Inbox.Give(at + record.StreamBytes - fresh, fresh);
            FinishIfDone();
            return End != null ? Fault.Over : Fault.None;
        }

        /// <summary>Says what is wrong with a record, or null, and how many of the last of its bytes are new.</summary>
        private string Act(Record record, long now, out int fresh)
        {
            fresh = 0;
            if (record.Kind == RecordKind.Ack)
            {
                var wrong = _outgoing.Acknowledge(record.Received, _live.Cursor, Outbox);
                if (wrong != null)
                {
                    return wrong;
                }
                _live.IsAcknowledged = true;
            }
            if (record.Kind == RecordKind.Close)
            {
                var isAgain = _incoming.IsClosed;
                if (!_incoming.Close(now))
                {
                    return "something follows its close";
                }
                if (!isAgain)
                {
                    Lifecycle.PeerClosed();
                }
            }
            return _incoming.Take(record.StreamBytes, now, out fresh) ? null : "something follows its close";
        }

        private Fault PeerFault(string fault)
        {
            _abort = AbortReason.PeerFault;
            return Over(SessionEnd.PeerFault(fault));
        }

        /// <summary>Both closes are through, and each end knows it of the other.</summary>
        private void FinishIfDone()
        {
            if (_outgoing.IsDone && _incoming.IsClosed && _incoming.IsAllAcked)
            {
                Lifecycle.Finish(SessionEnd.Closed);
            }
        }

        /// <summary>Seals what waits, in records as large as there is data and room for.</summary>
        protected override int Fill(byte[] to, int offset, int count, long now)
        {
            var filled = 0;
            while (_live != null && count - filled >= MinFill)
            {
                var kind = NextRecord(now);
                if (kind == null)
                {
                    break;
                }
                if (_live.Sealing.IsWornOut)
                {
                    TransportLost(now);
                    break;
                }
                var room = Math.Min(count - filled, Record.MaxBytes);
                filled += _live.Seal(kind.Value, _abort.GetValueOrDefault(), to, offset + filled, room);
                _abort = null;
                FinishIfDone();
            }
            if (End != null && _abort == null)
            {
                DropTransport();
            }
            return filled;
        }

        private RecordKind? NextRecord(long now)
        {
            if (End == null)
            {
                return _live.Next(now);
            }
            return _abort.HasValue ? RecordKind.Abort : (RecordKind?)null;
        }
    }
}
