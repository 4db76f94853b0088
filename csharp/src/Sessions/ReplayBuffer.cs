using System;

namespace Fastway.Sessions
{
    /// <summary>Bytes that may have to be sent again, oldest first, up to a bound. It takes memory as it fills and keeps
    /// what it has.</summary>
    internal sealed class ReplayBuffer
    {
        /// <summary>What the first byte takes, in bytes.</summary>
        private const int FirstCapacity = 1024;

        private readonly int _bound;
        private byte[] _ring = new byte[0];
        private int _start;

        public ReplayBuffer(int bound)
        {
            _bound = bound;
        }

        /// <summary>Bytes kept.</summary>
        public int Count { get; private set; }

        /// <summary>Bytes that it takes now.</summary>
        public int Room
        {
            get { return _bound - Count; }
        }

        /// <summary>The memory that it holds, in bytes.</summary>
        public int Capacity
        {
            get { return _ring.Length; }
        }

        /// <summary>Takes as many bytes as there is room for, and says how many.</summary>
        public int Push(byte[] bytes, int offset, int count)
        {
            var taken = Math.Min(count, Room);
            if (taken > 0)
            {
                Grow(Count + taken);
                var end = Place(Count);
                var first = Math.Min(taken, _ring.Length - end);
                Buffer.BlockCopy(bytes, offset, _ring, end, first);
                Buffer.BlockCopy(bytes, offset + first, _ring, 0, taken - first);
                Count += taken;
            }
            return taken;
        }

        /// <summary>Copies bytes from the <paramref name="from"/>th kept one on.</summary>
        public void Copy(int from, byte[] to, int offset, int count)
        {
            if (count > 0)
            {
                var start = Place(from);
                var first = Math.Min(count, _ring.Length - start);
                Buffer.BlockCopy(_ring, start, to, offset, first);
                Buffer.BlockCopy(_ring, 0, to, offset + first, count - first);
            }
        }

        /// <summary>Drops the oldest bytes.</summary>
        public void Release(int count)
        {
            Count -= count;
            _start = Count == 0 ? 0 : Place(count);
        }

        private int Place(int index)
        {
            var place = (long)_start + index;
            return (int)(place < _ring.Length ? place : place - _ring.Length);
        }

        /// <summary>Doubles, but never beyond the bound.</summary>
        private void Grow(int needed)
        {
            if (needed <= _ring.Length)
            {
                return;
            }
            var wanted = Math.Max(Math.Max(needed, 2L * _ring.Length), FirstCapacity);
            var larger = new byte[(int)Math.Min(wanted, _bound)];
            Copy(0, larger, 0, Count);
            _ring = larger;
            _start = 0;
        }
    }
}
