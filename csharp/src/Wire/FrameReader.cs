using System;
using Fastway.Buffers;
using Fastway.Crypto;

namespace Fastway.Wire
{
    /// <summary>
    /// Cuts the bytes of a link into frames. Its memory follows the bytes that came, not the lengths they announce.
    /// </summary>
    internal sealed class FrameReader
    {
        /// <summary>Less than this is not worth a read of the link.</summary>
        private const int LeastSpace = 1 << 10;

        private readonly ChunkPool _pool;
        private readonly int _blockBytes;
        private readonly uint _maxPacket;
        private Chunk _block;

        public FrameReader(ChunkPool pool, int blockBytes, uint maxPacket)
        {
            _pool = pool;
            _blockBytes = blockBytes;
            _maxPacket = maxPacket;
        }

        /// <summary>Bytes that are not a whole frame yet, or were not looked at.</summary>
        public int Waiting
        {
            get { return _block == null ? 0 : _block.Waiting; }
        }

        /// <summary>Where the next bytes of the link belong; say with <see cref="Added"/> how many came.</summary>
        public ArraySegment<byte> Space()
        {
            MakeRoom();
            return new ArraySegment<byte>(_block.Memory, _block.Written, _block.Free);
        }

        public void Added(int bytes)
        {
            _block.Written += bytes;
        }

        /// <summary>Takes bytes from the front, whatever they are; false if there are too few.</summary>
        public bool TryTake(byte[] into)
        {
            if (Waiting < into.Length)
            {
                return false;
            }
            Buffer.BlockCopy(_block.Memory, _block.Read, into, 0, into.Length);
            _block.Read += into.Length;
            return true;
        }

        /// <summary>Takes the next frame, if it is there and its length is right.</summary>
        public FrameStatus Next(out Frame frame)
        {
            frame = default(Frame);
            if (Waiting < Frame.LenBytes)
            {
                return FrameStatus.Incomplete;
            }
            var len = LittleEndian.ReadUInt32(_block.Memory, _block.Read);
            if (len < Frame.ConnIdBytes)
            {
                return FrameStatus.TooShort;
            }
            if (len > _maxPacket)
            {
                return FrameStatus.TooLong;
            }
            if (Waiting < Frame.LenBytes + (long)len)
            {
                return FrameStatus.Incomplete;
            }
            frame = Take((int)len);
            return FrameStatus.Complete;
        }

        /// <summary>Gives its memory back where nothing waits in it.</summary>
        public void Rest()
        {
            if (_block != null && _block.Waiting == 0)
            {
                _pool.Return(_block);
                _block = null;
            }
        }

        private Frame Take(int len)
        {
            var connId = LittleEndian.ReadUInt32(_block.Memory, _block.Read + Frame.LenBytes);
            var payload = new ArraySegment<byte>(
                _block.Memory, _block.Read + Frame.HeaderBytes, len - Frame.ConnIdBytes);
            _block.Read += Frame.LenBytes + len;
            return new Frame(connId, payload);
        }

        private void MakeRoom()
        {
            if (_block == null)
            {
                _block = _pool.Take(_blockBytes);
            }
            else if (_block.Waiting == 0)
            {
                _block.Read = _block.Written = 0;
            }
            else if (_block.Free < LeastSpace)
            {
                MoveInto(_block.Read >= _block.Waiting ? _block : _pool.Take(2 * _block.Memory.Length));
            }
        }

        private void MoveInto(Chunk target)
        {
            var waiting = _block.Waiting;
            Buffer.BlockCopy(_block.Memory, _block.Read, target.Memory, 0, waiting);
            if (target != _block)
            {
                _pool.Return(_block);
                _block = target;
            }
            _block.Read = 0;
            _block.Written = waiting;
        }
    }
}
