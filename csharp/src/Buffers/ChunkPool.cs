namespace Fastway.Buffers
{
    /// <summary>
    /// Chunks that are used again, by size: powers of two. Larger ones than the largest size come from the heap and go
    /// back to it. It belongs to one end point and is used under its lock.
    /// </summary>
    internal sealed class ChunkPool
    {
        private const int SmallestShift = 8;
        private const int LargestShift = 20;

        /// <summary>What is kept of each size, in bytes.</summary>
        private const int KeptBytes = 1 << LargestShift;

        private readonly Chunk[] _free = new Chunk[LargestShift - SmallestShift + 1];
        private readonly int[] _kept = new int[LargestShift - SmallestShift + 1];

        /// <summary>A chunk of at least so many bytes: a larger one rather than a new one.</summary>
        public Chunk Take(int bytes)
        {
            if (bytes > 1 << LargestShift)
            {
                return new Chunk(bytes);
            }
            var needed = SizeFor(bytes);
            for (var size = needed; size < _free.Length; size++)
            {
                if (_free[size] != null)
                {
                    return TakeFree(size);
                }
            }
            return new Chunk(1 << (needed + SmallestShift));
        }

        public void Return(Chunk chunk)
        {
            chunk.Read = 0;
            chunk.Written = 0;
            chunk.Next = null;
            var bytes = chunk.Memory.Length;
            if (bytes > 1 << LargestShift)
            {
                return;
            }
            var size = SizeFor(bytes);
            if (_kept[size] * bytes >= KeptBytes)
            {
                return;
            }
            chunk.Next = _free[size];
            _free[size] = chunk;
            _kept[size]++;
        }

        private Chunk TakeFree(int size)
        {
            var chunk = _free[size];
            _free[size] = chunk.Next;
            chunk.Next = null;
            _kept[size]--;
            return chunk;
        }

        private static int SizeFor(int bytes)
        {
            var size = 0;
            while (1 << (size + SmallestShift) < bytes)
            {
                size++;
            }
            return size;
        }
    }
}
