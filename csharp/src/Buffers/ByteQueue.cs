using System;

namespace Fastway.Buffers
{
    /// <summary>Bytes that wait to be written to a link.</summary>
    internal sealed class ByteQueue
    {
        private const int SmallestChunk = 1 << 10;
        private const int LargestChunk = 64 << 10;

        private readonly ChunkQueue _chunks;

        public ByteQueue(ChunkPool pool)
        {
            _chunks = new ChunkQueue(pool, SmallestChunk, LargestChunk);
        }

        public int Count { get; private set; }

        public void Add(byte[] from, int offset, int count)
        {
            while (count > 0)
            {
                var chunk = _chunks.WithRoom();
                var taken = Math.Min(count, chunk.Free);
                Buffer.BlockCopy(from, offset, chunk.Memory, chunk.Written, taken);
                chunk.Written += taken;
                Count += taken;
                offset += taken;
                count -= taken;
            }
        }

        /// <summary>The first bytes; the queue must not be empty.</summary>
        public ArraySegment<byte> First()
        {
            return new ArraySegment<byte>(_chunks.Head.Memory, _chunks.Head.Read, _chunks.Head.Waiting);
        }

        /// <summary>Drops bytes that <see cref="First"/> gave.</summary>
        public void Drop(int count)
        {
            Count -= count;
            _chunks.Head.Read += count;
            if (_chunks.Head.Waiting == 0)
            {
                _chunks.DropHead();
            }
        }

        public void Clear()
        {
            _chunks.Clear();
            Count = 0;
        }
    }
}
