using System;

namespace Fastway.Sessions
{
    /// <summary>What came by a transport: the stream's bytes gather at its front, and what is not read yet stands
    /// behind.</summary>
    internal sealed class Inbox
    {
        private int _stream;
        private int _end;

        public Inbox(int bytes)
        {
            Bytes = new byte[bytes];
        }

        /// <summary>All of it; to be read from <see cref="Start"/> on.</summary>
        public byte[] Bytes { get; }

        /// <summary>Where the unread bytes begin.</summary>
        public int Start { get; private set; }

        /// <summary>Bytes that are not read.</summary>
        public int Unread
        {
            get { return _end - Start; }
        }

        /// <summary>The bytes of the stream.</summary>
        public ArraySegment<byte> Stream
        {
            get { return new ArraySegment<byte>(Bytes, 0, _stream); }
        }

        /// <summary>Where the next bytes go to. The stream's bytes are gone afterwards.</summary>
        public ArraySegment<byte> Space()
        {
            Buffer.BlockCopy(Bytes, Start, Bytes, 0, Unread);
            _end = Unread;
            Start = 0;
            _stream = 0;
            return new ArraySegment<byte>(Bytes, _end, Bytes.Length - _end);
        }

        /// <summary>So many bytes came.</summary>
        public void Add(int count)
        {
            if (count < 0 || count > Bytes.Length - _end)
            {
                throw new ArgumentOutOfRangeException("count", count, "it does not fit into ReceiveSpace()");
            }
            _end += count;
        }

        /// <summary>So many unread bytes are read.</summary>
        public void Skip(int count)
        {
            Start += count;
        }

        /// <summary>Bytes that were read are the stream's next. They must not stand before earlier ones.</summary>
        public void Give(int offset, int count)
        {
            Buffer.BlockCopy(Bytes, offset, Bytes, _stream, count);
            _stream += count;
        }

        /// <summary>The unread bytes are of no use: their transport is gone.</summary>
        public void Forget()
        {
            Start = _end;
        }
    }
}
