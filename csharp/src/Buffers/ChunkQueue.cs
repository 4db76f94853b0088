namespace Fastway.Buffers
{
    /// <summary>The chunks of a queue, first to last. An empty queue holds no memory.</summary>
    internal sealed class ChunkQueue
    {
        private readonly ChunkPool _pool;
        private readonly int _smallest;
        private readonly int _largest;
        private Chunk _tail;

        /// <summary>A queue whose chunks grow from the smallest size to the largest, if nothing needs a larger one.</summary>
        public ChunkQueue(ChunkPool pool, int smallest, int largest)
        {
            _pool = pool;
            _smallest = smallest;
            _largest = largest;
        }

        public Chunk Head { get; private set; }

        /// <summary>The last chunk, with room for so many bytes in a row.</summary>
        public Chunk WithRoomFor(int bytes)
        {
            if (_tail == null)
            {
                Head = _tail = _pool.Take(bytes > _smallest ? bytes : _smallest);
            }
            else if (_tail.Free < bytes)
            {
                _tail.Next = _pool.Take(Grown(bytes));
                _tail = _tail.Next;
            }
            return _tail;
        }

        /// <summary>Some room at the end, however little.</summary>
        public Chunk WithRoom()
        {
            return WithRoomFor(1);
        }

        public void DropHead()
        {
            var dropped = Head;
            Head = dropped.Next;
            if (Head == null)
            {
                _tail = null;
            }
            _pool.Return(dropped);
        }

        public void Clear()
        {
            while (Head != null)
            {
                DropHead();
            }
        }

        private int Grown(int bytes)
        {
            var next = 2 * _tail.Memory.Length;
            if (next > _largest)
            {
                next = _largest;
            }
            return next > bytes ? next : bytes;
        }
    }
}
