using System;
using Fastway.Crypto;
using Fastway.Wire;

namespace Fastway.Buffers
{
    /// <summary>
    /// Messages that wait, each with its length before it and in one piece, so that it can be lent where it lies.
    /// </summary>
    internal sealed class MessageQueue
    {
        private const int LengthBytes = 4;
        private const int SmallestChunk = 1 << 10;
        private const int LargestChunk = 64 << 10;

        private readonly ChunkQueue _chunks;

        public MessageQueue(ChunkPool pool)
        {
            _chunks = new ChunkQueue(pool, SmallestChunk, LargestChunk);
        }

        public int Messages { get; private set; }

        /// <summary>Bytes of the messages that wait, with those of a frame's header for each.</summary>
        public int Bytes { get; private set; }

        public void Add(ArraySegment<byte> message)
        {
            var chunk = _chunks.WithRoomFor(LengthBytes + message.Count);
            LittleEndian.Write((uint)message.Count, chunk.Memory, chunk.Written);
            Buffer.BlockCopy(message.Array, message.Offset, chunk.Memory, chunk.Written + LengthBytes, message.Count);
            chunk.Written += LengthBytes + message.Count;
            Messages++;
            Bytes += Frame.HeaderBytes + message.Count;
        }

        /// <summary>Lends the first message, which is gone from the queue; its memory is used again after the next call.</summary>
        public bool TryTake(out ArraySegment<byte> message)
        {
            DropRead();
            if (Messages == 0)
            {
                message = default(ArraySegment<byte>);
                return false;
            }
            var head = _chunks.Head;
            var count = (int)LittleEndian.ReadUInt32(head.Memory, head.Read);
            message = new ArraySegment<byte>(head.Memory, head.Read + LengthBytes, count);
            head.Read += LengthBytes + count;
            Messages--;
            Bytes -= Frame.HeaderBytes + count;
            return true;
        }

        public void Clear()
        {
            _chunks.Clear();
            Messages = 0;
            Bytes = 0;
        }

        private void DropRead()
        {
            if (_chunks.Head != null && _chunks.Head.Waiting == 0)
            {
                _chunks.DropHead();
            }
        }
    }
}
