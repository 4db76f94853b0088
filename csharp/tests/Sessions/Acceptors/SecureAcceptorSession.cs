using System;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Secure;
using Fastway.Tests.Vectors;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of one secure session.</summary>
    internal sealed class SecureAcceptorSession : AcceptorSession
    {
        private const int Bound = 48 * 1024;

        private readonly RandomSource _random;
        private readonly ReplayBuffer _kept = new ReplayBuffer(Bound);
        private readonly Outgoing _outgoing = new Outgoing();
        private byte[] _next;
        private Link _candidate;
        private Link _live;

        public SecureAcceptorSession(RandomSource random)
        {
            _random = random;
            Ticket = random.Draw(Fastway.Sessions.Secure.Ticket.TotalBytes);
        }

        /// <summary>The newest ticket that the initiator is known to have.</summary>
        public byte[] Ticket { get; private set; }

        /// <summary>What seals the next record of the newest transport.</summary>
        public RecordCipher Sealing
        {
            get { return (_candidate ?? _live).Sealing; }
        }

        /// <summary>The highest attempt of an authentic resume.</summary>
        public uint Attempt { get; set; }

        /// <summary>Bytes, and one for the close.</summary>
        public int Received
        {
            get { return Read.Count + (PeerClosed ? 1 : 0); }
        }

        public override bool IsDone
        {
            get { return PeerClosed && _outgoing.IsDone; }
        }

        /// <summary>The secret of a ticket; null if it is none of its own.</summary>
        public byte[] SecretOf(byte[] id)
        {
            foreach (var ticket in new[] { Ticket, _next })
            {
                if (ticket != null && Hex.Encode(id) == Hex.Encode(ticket, 0, id.Length))
                {
                    return Bytes.Slice(ticket, id.Length);
                }
            }
            return null;
        }

        /// <summary>The ticket that the reply to a resume with this one carries.</summary>
        public byte[] Next(byte[] used)
        {
            if (_next != null && Hex.Encode(used) == Hex.Encode(_next, 0, used.Length))
            {
                Promote();
            }
            return _next ?? (_next = _random.Draw(Ticket.Length));
        }

        /// <summary>A transport is there, if the initiator proves it.</summary>
        public void Try(Cable cable, byte[][] keys, ulong cursor, uint attempt)
        {
            cable.Session = this;
            _candidate = new Link(cable, keys, cursor, (ulong)Received, attempt);
        }

        public override int Write(byte[] bytes)
        {
            return _kept.Push(bytes, 0, bytes.Length);
        }

        public override void Close()
        {
            _outgoing.Close();
        }

        public override void Lost(Cable cable)
        {
            _live = _live != null && _live.Cable == cable ? null : _live;
            _candidate = _candidate != null && _candidate.Cable == cable ? null : _candidate;
        }

        public override void Receive(Cable cable)
        {
            var link = _live != null && _live.Cable == cable ? _live : _candidate;
            if (link == null || link.Cable != cable)
            {
                cable.IsEnded = true;
                return;
            }
            while (cable.Unfinished.Length >= Record.LenBytes && !cable.IsEnded)
            {
                int bytes = LittleEndian.ReadUInt16(cable.Unfinished, 0);
                if (cable.Unfinished.Length < Record.LenBytes + bytes)
                {
                    return;
                }
                var plaintext = Bytes.Slice(cable.Unfinished, Record.LenBytes, bytes);
                cable.Unfinished = Bytes.Slice(cable.Unfinished, Record.LenBytes + bytes);
                ReadRecord(link, plaintext);
            }
        }

        private void ReadRecord(Link link, byte[] bytes)
        {
            var count = bytes.Length - ChaChaPoly.TagBytes;
            Record record;
            if (count < 0 || !link.Opening.Open(bytes, 0, count))
            {
                link.Cable.IsEnded = true;
                Lost(link.Cable);
                return;
            }
            if (!Record.TryRead(bytes, 0, count, out record))
            {
                Fault = "a record makes no sense";
                return;
            }
            if (link == _candidate)
            {
                Prove();
                Fault = record.Kind == RecordKind.Ack ? Fault : "the first record is no proof";
            }
            Act(link, record, bytes);
        }

        private void Act(Link link, Record record, byte[] bytes)
        {
            switch (record.Kind)
            {
                case RecordKind.Ack:
                    Fault = _outgoing.Acknowledge(record.Received, link.Cursor, _kept) ?? Fault;
                    break;
                case RecordKind.Close:
                    PeerClosed = true;
                    link.Position++;
                    break;
                case RecordKind.Abort:
                    Fault = "aborted: " + record.Reason;
                    break;
            }
            for (var i = 0; i < record.StreamBytes; i++)
            {
                if (link.Position++ == (ulong)Received)
                {
                    Read.Add(bytes[i]);
                }
            }
        }

        /// <summary>The candidate takes the place of the older transport.</summary>
        private void Prove()
        {
            if (_live != null)
            {
                _live.Cable.IsEnded = true;
            }
            _live = _candidate;
            _candidate = null;
            IsEstablished = true;
            if (_live.Attempt > 0 && _next != null)
            {
                Promote();
            }
        }

        private void Promote()
        {
            Ticket = _next;
            _next = null;
        }

        public override void Flush(int room)
        {
            while (_live != null && room > 0)
            {
                var sent = SendRecord(Math.Min(room, Record.MaxBytes));
                if (sent == 0)
                {
                    return;
                }
                room -= sent;
            }
        }

        private int SendRecord(int room)
        {
            var from = _outgoing.PlaceOf(_live.Cursor);
            var waits = Math.Min(_kept.Count - from, Math.Max(1, room - Record.AckOverhead));
            var record = new Record { StreamBytes = Math.Max(0, waits) };
            if (_live.Told < _live.Position)
            {
                record.Kind = RecordKind.Ack;
                record.Received = _live.Told = _live.Position;
            }
            else if (waits <= 0)
            {
                if (!_outgoing.IsCloseNext(_live.Cursor, _kept))
                {
                    return 0;
                }
                record.Kind = RecordKind.Close;
                _live.Cursor++;
            }
            var bytes = new byte[record.StreamBytes + Record.AckOverhead];
            _kept.Copy(from, bytes, Record.LenBytes, record.StreamBytes);
            _live.Cursor += (ulong)record.StreamBytes;
            _outgoing.Gave(_live.Cursor);
            var trailer = record.WriteTrailer(bytes, Record.LenBytes + record.StreamBytes);
            var sealedBytes = _live.Sealing.Seal(bytes, 0, record.StreamBytes + trailer);
            _live.Cable.Reply(Bytes.Slice(bytes, 0, sealedBytes));
            return sealedBytes;
        }

        private sealed class Link
        {
            public Link(Cable cable, byte[][] keys, ulong cursor, ulong position, uint attempt)
            {
                Cable = cable;
                Opening = new RecordCipher(keys[0]);
                Sealing = new RecordCipher(keys[1]);
                Cursor = cursor;
                Position = position;
                Told = position;
                Attempt = attempt;
            }

            public Cable Cable { get; }

            public RecordCipher Sealing { get; }

            public RecordCipher Opening { get; }

            /// <summary>Count before which the initiator was given everything.</summary>
            public ulong Cursor { get; set; }

            /// <summary>Count at which the next byte received stands.</summary>
            public ulong Position { get; set; }

            /// <summary>What the initiator was last told.</summary>
            public ulong Told { get; set; }

            public uint Attempt { get; }
        }
    }
}
