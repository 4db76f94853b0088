using System;

namespace Fastway.Sessions.Secure
{
    /// <summary>A transport whose reply was read: its keys, its place in the stream, and what it is to be given.</summary>
    internal sealed class SecureTransport
    {
        private readonly Outgoing _outgoing;
        private readonly Incoming _incoming;
        private readonly ReplayBuffer _unacked;
        /// <summary>Whether this end has to show that it lives.</summary>
        private bool _owesProof = true;

        /// <summary>One that goes on behind the <paramref name="cursor"/>th byte; its keys are wiped.</summary>
        public SecureTransport(uint attempt, byte[][] keys, ulong cursor, Outgoing outgoing, Incoming incoming, ReplayBuffer unacked)
        {
            Sealing = new RecordCipher(keys[0]);
            Opening = new RecordCipher(keys[1]);
            Attempt = attempt;
            Cursor = cursor;
            _outgoing = outgoing;
            _incoming = incoming;
            _unacked = unacked;
        }

        public RecordCipher Sealing { get; }

        public RecordCipher Opening { get; }

        /// <summary>The number of the attempt that it was made by; 0 for an open.</summary>
        public uint Attempt { get; }

        /// <summary>The other end has acknowledged something by it, and so goes on by it.</summary>
        public bool IsAcknowledged { get; set; }

        /// <summary>Count before which the other end was given everything.</summary>
        public ulong Cursor { get; private set; }

        /// <summary>The kind of the record that is to be sent now, if any.</summary>
        public RecordKind? Next(long now)
        {
            var waits = _outgoing.PlaceOf(Cursor) < _unacked.Count;
            if (_owesProof || (waits ? _incoming.OwesAck : _incoming.IsAckDue(now)))
            {
                return RecordKind.Ack;
            }
            if (waits)
            {
                return RecordKind.Data;
            }
            return _outgoing.IsCloseNext(Cursor, _unacked) ? RecordKind.Close : (RecordKind?)null;
        }

        /// <summary>Writes one record with as many bytes of the stream as wait and fit, and says how many bytes it takes.</summary>
        public int Seal(RecordKind kind, byte reason, byte[] to, int at, int room)
        {
            var record = new Record { Kind = kind, Reason = reason };
            var place = at + Record.LenBytes;
            switch (kind)
            {
                case RecordKind.Data:
                    record.StreamBytes = CopyStream(to, place, room - Record.DataOverhead);
                    break;
                case RecordKind.Ack:
                    record.Received = _incoming.TakeAck();
                    record.StreamBytes = CopyStream(to, place, room - Record.AckOverhead);
                    break;
                case RecordKind.Close:
                    Cursor++;
                    break;
            }
            _owesProof = false;
            _outgoing.Gave(Cursor);
            var trailer = record.WriteTrailer(to, place + record.StreamBytes);
            return Sealing.Seal(to, at, record.StreamBytes + trailer);
        }

        /// <summary>Forgets the keys. It is of no use afterwards.</summary>
        public void Wipe()
        {
            Sealing.Wipe();
            Opening.Wipe();
        }

        /// <summary>Copies what the transport was not given yet, up to <paramref name="most"/> bytes.</summary>
        private int CopyStream(byte[] to, int at, int most)
        {
            var from = _outgoing.PlaceOf(Cursor);
            var bytes = Math.Min(_unacked.Count - from, most);
            if (bytes <= 0)
            {
                return 0;
            }
            _unacked.Copy(from, to, at, bytes);
            Cursor += (ulong)bytes;
            return bytes;
        }
    }
}
