using System;
using Fastway.Crypto;

namespace Fastway.Sessions.Legacy
{
    /// <summary>The initiator of a legacy session, snet (docs/protocol.md §2): for programs that exist, against nobody in
    /// earnest.</summary>
    internal sealed class LegacySession : Session
    {
        /// <summary>The least that waits to be sent, however little is kept to be sent again.</summary>
        private const int LeastWaitingBytes = 4096;

        private static readonly byte[] Nothing = new byte[0];

        private readonly bool _encrypt;
        private readonly int _replayBytes;
        /// <summary>The last bytes that were sent, as they were on the wire.</summary>
        private readonly ReplayBuffer _sent;
        private Shared _shared;
        private ulong _written;
        private ulong _read;
        /// <summary>What the acceptor had read when the last transport was made.</summary>
        private ulong _readByPeer;
        private Transport _transport;
        private bool _closing;

        public LegacySession(bool encrypt, int replayBytes, long patience, long now, RandomSource random)
            : base(Math.Max(replayBytes, LeastWaitingBytes), patience, now, random)
        {
            _encrypt = encrypt;
            _replayBytes = replayBytes;
            _sent = new ReplayBuffer(replayBytes);
        }

        /// <summary>The number that the acceptor gave it; 0 before it is established.</summary>
        public ulong Id
        {
            get { return _shared == null ? 0 : _shared.Id; }
        }

        public override bool IsLive
        {
            get { return _transport != null && _transport.IsLive; }
        }

        public override bool IsClosed
        {
            get { return _closing; }
        }

        public override ulong Received
        {
            get { return _read; }
        }

        public override ulong Progress
        {
            get { return _read + _readByPeer; }
        }

        public override long Timeout
        {
            get { return Lifecycle.Expires; }
        }

        /// <summary>There is no close on the wire: the session ends here when all is sent, and by its wait time at the other
        /// end.</summary>
        public override void Close()
        {
            _closing = true;
        }

        public override void Abort(byte reason)
        {
            Lifecycle.Finish(SessionEnd.Aborted(reason));
        }

        public override bool HasOutput(long now)
        {
            return End == null && IsLive
                && (_closing || _transport.Proof.Length > 0 || _transport.Cursor < _written || Outbox.Count > 0);
        }

        protected override void DropTransport()
        {
            _transport = null;
        }

        protected override Attempt NewAttempt()
        {
            if (_shared != null)
            {
                var goOn = LegacyMessages.GoOn(_shared.Id, _written, _read, _shared.Key);
                return new LegacyAttempt(goOn, new Transport(null));
            }
            var pair = new DiffieHellman64(Random);
            return new LegacyAttempt(LegacyMessages.NewSession(pair.Public), new Transport(pair));
        }

        protected override void Use(Attempt attempt)
        {
            _transport = ((LegacyAttempt)attempt).Transport;
        }

        /// <summary>A refusal to open is none that is known.</summary>
        public override void RefusedBeside(byte[] reply, long now)
        {
            if (_shared != null)
            {
                Refused(Status.Unknown);
            }
        }

        protected override Fault Read(long now)
        {
            if (_transport == null)
            {
                return Fault.NoTransport;
            }
            if (!_transport.IsLive)
            {
                if (Inbox.Unread < LegacyMessages.ReplyBytes)
                {
                    return Fault.None;
                }
                var fault = ReadReply();
                if (fault != Fault.None)
                {
                    return fault;
                }
            }
            ReadStream();
            return Fault.None;
        }

        private Fault ReadReply()
        {
            var reply = Bytes.Slice(Inbox.Bytes, Inbox.Start, LegacyMessages.ReplyBytes);
            Inbox.Skip(LegacyMessages.ReplyBytes);
            var fault = _transport.Pair != null ? ReadAgreement(reply) : ReadCounts(reply);
            if (fault == Fault.None)
            {
                _transport.Proof = Md5.Digest(Bytes.Slice(reply, 16), _shared.Key);
                _transport.IsLive = true;
                Connected();
            }
            return fault;
        }

        /// <summary><c>public key | RC4(session) | challenge</c></summary>
        private Fault ReadAgreement(byte[] reply)
        {
            var secret = _transport.Pair.Agree(LittleEndian.ReadUInt64(reply, 0));
            if (secret == null)
            {
                return Fault.NotAuthentic;
            }
            _shared = new Shared(secret.Value);
            _shared.Reading.Apply(reply, 8, 8);
            _shared.Id = LittleEndian.ReadUInt64(reply, 8);
            return Fault.None;
        }

        /// <summary><c>written | read | challenge</c>, or zeros.</summary>
        private Fault ReadCounts(byte[] reply)
        {
            if (ConstantTime.IsZero(reply))
            {
                Refused(Status.Unknown);
                return End != null ? Fault.Over : Fault.Refused;
            }
            var written = LittleEndian.ReadUInt64(reply, 0);
            var read = LittleEndian.ReadUInt64(reply, 8);
            if (written < _read || read > _written || _written - read > (ulong)_sent.Count)
            {
                return Over(SessionEnd.Refused(Status.DataGap));
            }
            _transport.Cursor = read;
            _readByPeer = read;
            return Fault.None;
        }

        private void ReadStream()
        {
            var at = Inbox.Start;
            var bytes = Inbox.Unread;
            Inbox.Skip(bytes);
            if (_encrypt)
            {
                _shared.Reading.Apply(Inbox.Bytes, at, bytes);
            }
            _read += (ulong)bytes;
            Inbox.Give(at, bytes);
        }

        /// <summary>What is sent leaves the owner's bytes: nobody acknowledges, so what may have to be sent again is kept
        /// apart, as it was on the wire.</summary>
        protected override int Fill(byte[] to, int offset, int count, long now)
        {
            if (!HasOutput(now))
            {
                return 0;
            }
            var proof = _transport.Proof;
            Buffer.BlockCopy(proof, 0, to, offset, proof.Length);
            _transport.Proof = Nothing;
            var filled = proof.Length;
            filled += SendAgain(to, offset + filled, count - filled);
            if (_transport.Cursor == _written)
            {
                filled += SendNew(to, offset + filled, count - filled);
            }
            return filled;
        }

        private int SendAgain(byte[] to, int at, int room)
        {
            var missing = (int)(_written - _transport.Cursor);
            var bytes = Math.Min(missing, room);
            _sent.Copy(_sent.Count - missing, to, at, bytes);
            _transport.Cursor += (ulong)bytes;
            return bytes;
        }

        private int SendNew(byte[] to, int at, int room)
        {
            var bytes = Math.Min(Outbox.Count, room);
            Outbox.Copy(0, to, at, bytes);
            Outbox.Release(bytes);
            if (_encrypt)
            {
                _shared.Writing.Apply(to, at, bytes);
            }
            _written += (ulong)bytes;
            _transport.Cursor = _written;
            Remember(to, at, bytes);
            if (_closing && Outbox.Count == 0)
            {
                Lifecycle.Finish(SessionEnd.Closed);
            }
            return bytes;
        }

        /// <summary>Keeps the last of what was sent, as far as it goes.</summary>
        private void Remember(byte[] bytes, int at, int count)
        {
            var kept = Math.Min(count, _replayBytes);
            _sent.Release(Math.Max(0, kept - _sent.Room));
            _sent.Push(bytes, at + count - kept, kept);
        }

        /// <summary>What the ends agreed on.</summary>
        private sealed class Shared
        {
            public Shared(ulong secret)
            {
                Key = LegacyMessages.Number(secret);
                Writing = new Rc4(Key);
                Reading = new Rc4(Key);
            }

            public ulong Id { get; set; }

            public byte[] Key { get; }

            public Rc4 Writing { get; }

            public Rc4 Reading { get; }
        }

        private sealed class LegacyAttempt : Attempt
        {
            public LegacyAttempt(byte[] hello, Transport transport)
                : base(hello)
            {
                Transport = transport;
            }

            public Transport Transport { get; }

            public override bool IsAnswered(byte[] bytes, int count)
            {
                return count >= LegacyMessages.ReplyBytes;
            }

            public override bool IsRefusedBy(byte[] reply)
            {
                return ConstantTime.IsZero(Bytes.Slice(reply, 0, LegacyMessages.ReplyBytes));
            }
        }

        private sealed class Transport
        {
            public Transport(DiffieHellman64 pair)
            {
                Pair = pair;
            }

            /// <summary>The numbers of a new session; null if it goes on with one.</summary>
            public DiffieHellman64 Pair { get; }

            /// <summary>Whether the reply was read.</summary>
            public bool IsLive { get; set; }

            /// <summary>What goes before the stream.</summary>
            public byte[] Proof { get; set; } = Nothing;

            /// <summary>Count before which the other end was given everything.</summary>
            public ulong Cursor { get; set; }
        }
    }
}
