using System;
using System.Linq;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Legacy;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of one legacy session. It keeps all that it ever sent.</summary>
    internal sealed class LegacyAcceptorSession : AcceptorSession
    {
        private readonly byte[] _key;
        private readonly bool _encrypt;
        private readonly Rc4 _writing;
        private readonly Rc4 _reading;
        private readonly ReplayBuffer _sent = new ReplayBuffer(int.MaxValue);
        private Cable _candidate;
        private Cable _live;
        private byte[] _proof;
        private int _candidateCursor;
        private int _candidatePosition;
        private int _cursor;
        private int _position;

        public LegacyAcceptorSession(byte[] key, byte[] id, bool encrypt)
        {
            _key = key;
            Id = id;
            _encrypt = encrypt;
            _writing = new Rc4(key);
            _reading = new Rc4(key);
        }

        /// <summary>Its number, as on the wire.</summary>
        public byte[] Id { get; }

        /// <summary>Bytes that were written; in this end they are sent when they are.</summary>
        public int Written
        {
            get { return _sent.Count; }
        }

        /// <summary>Nobody closes a legacy session.</summary>
        public override bool IsDone
        {
            get { return false; }
        }

        /// <summary>Its number as it goes to the initiator, for the first time.</summary>
        public byte[] SealedId()
        {
            var id = (byte[])Id.Clone();
            _writing.Apply(id, 0, id.Length);
            return id;
        }

        /// <summary>Whether a reconnect was made with the session's key.</summary>
        public bool IsAuthentic(Hello hello)
        {
            var counts = Bytes.Slice(hello.Head, 1, 24);
            return Md5.Digest(counts, _key).SequenceEqual(Bytes.Slice(hello.Head, 25));
        }

        /// <summary>A transport is there, if the initiator proves it.</summary>
        public void Try(Cable cable, byte[] challenge, ulong cursor)
        {
            cable.Session = this;
            _candidate = cable;
            _proof = Md5.Digest(challenge, _key);
            _candidateCursor = (int)cursor;
            _candidatePosition = Read.Count;
        }

        public override int Write(byte[] bytes)
        {
            var written = (byte[])bytes.Clone();
            if (_encrypt)
            {
                _writing.Apply(written, 0, written.Length);
            }
            return _sent.Push(written, 0, written.Length);
        }

        public override void Close()
        {
        }

        public override void Flush(int room)
        {
            if (_live != null)
            {
                var bytes = new byte[Math.Min(room, _sent.Count - _cursor)];
                _sent.Copy(_cursor, bytes, 0, bytes.Length);
                _cursor += bytes.Length;
                _live.Reply(bytes);
            }
        }

        public override void Lost(Cable cable)
        {
            _live = _live == cable ? null : _live;
            _candidate = _candidate == cable ? null : _candidate;
        }

        public override void Receive(Cable cable)
        {
            if (cable == _candidate && cable.Unfinished.Length >= Md5.HashBytes)
            {
                ReadProof(cable);
            }
            if (cable == _live)
            {
                ReadStream(cable);
            }
            else if (cable != _candidate)
            {
                cable.IsEnded = true;
            }
        }

        private void ReadProof(Cable cable)
        {
            _candidate = null;
            if (!_proof.SequenceEqual(Bytes.Slice(cable.Unfinished, 0, Md5.HashBytes)))
            {
                return;
            }
            if (_live != null)
            {
                _live.IsEnded = true;
            }
            cable.Unfinished = Bytes.Slice(cable.Unfinished, Md5.HashBytes);
            _live = cable;
            _cursor = _candidateCursor;
            _position = _candidatePosition;
            IsEstablished = true;
        }

        private void ReadStream(Cable cable)
        {
            var known = Math.Min(cable.Unfinished.Length, Read.Count - _position);
            _position += cable.Unfinished.Length;
            var fresh = Bytes.Slice(cable.Unfinished, known);
            cable.Unfinished = new byte[0];
            if (_encrypt)
            {
                _reading.Apply(fresh, 0, fresh.Length);
            }
            Read.AddRange(fresh);
        }
    }
}
