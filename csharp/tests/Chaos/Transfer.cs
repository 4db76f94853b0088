using System;
using NUnit.Framework;

namespace Fastway.Tests.Chaos
{
    /// <summary>One direction of a transfer: numbered messages whose every byte is known beforehand.</summary>
    internal sealed class Transfer
    {
        private const int MessageBytes = 16 << 10;

        private readonly Conn _from;
        private readonly Conn _to;
        private readonly byte[] _message = new byte[MessageBytes];
        private readonly int _messages;
        private int _sent;
        private int _received;

        public Transfer(Conn from, Conn to, int bytes)
        {
            _from = from;
            _to = to;
            _messages = bytes / MessageBytes;
        }

        public bool IsDone
        {
            get { return _received == _messages; }
        }

        public long ReceivedBytes
        {
            get { return (long)_received * MessageBytes; }
        }

        /// <summary>Sends what is taken, up to so many bytes in all, and receives what has come.</summary>
        public void Move(long most)
        {
            while (_sent < _messages && (_sent + 1L) * MessageBytes <= most && TrySend())
            {
                _sent++;
            }
            ArraySegment<byte> message;
            while (_to.TryReceive(out message))
            {
                Check(message);
                _received++;
            }
        }

        private bool TrySend()
        {
            for (var at = 0; at < _message.Length; at++)
            {
                _message[at] = ByteOf(_sent, at);
            }
            return _from.TrySend(new ArraySegment<byte>(_message)) == SendStatus.Queued;
        }

        private void Check(ArraySegment<byte> message)
        {
            Assert.AreEqual(MessageBytes, message.Count);
            for (var at = 0; at < message.Count; at++)
            {
                if (message.Array[message.Offset + at] != ByteOf(_received, at))
                {
                    Assert.Fail("Byte {0} of message {1} is wrong: one was lost, doubled or altered.", at, _received);
                }
            }
        }

        private static byte ByteOf(int message, int at)
        {
            return (byte)(message * 31 + at + (at >> 8) * 7 + (message >> 8));
        }
    }
}
