using System;
using System.IO;
using Fastway.Crypto;

namespace Snet
{
    /// <summary>
    /// The stream cipher RC4, as legacy sessions have it (docs/protocol.md §2). It is no obstacle to an attacker.
    /// </summary>
    public class RC4Cipher
    {
        private readonly Rc4 _cipher;

        /// <summary>A cipher at the start of its key stream.</summary>
        /// <param name="key">The key, 1 to 256 bytes.</param>
        /// <exception cref="RC4KeySizeException">The key has another length.</exception>
        public RC4Cipher(byte[] key)
        {
            if (key.Length < 1 || key.Length > Rc4.MaxKeyBytes)
            {
                throw new RC4KeySizeException(key.Length);
            }
            _cipher = new Rc4(key);
        }

        /// <summary>Combines bytes with the next ones of the key stream. Both arrays may be one, at the same place.</summary>
        /// <param name="dst">Where the result goes.</param>
        /// <param name="dstOffset">Its place there.</param>
        /// <param name="src">Where the bytes are.</param>
        /// <param name="srcOffset">Their place there.</param>
        /// <param name="count">Number of bytes.</param>
        public void XORKeyStream(byte[] dst, int dstOffset, byte[] src, int srcOffset, int count)
        {
            _cipher.Apply(src, srcOffset, dst, dstOffset, count);
        }
    }

    /// <summary>
    /// A stream that is encrypted by RC4. Reads and writes share one key stream, so it is for one direction. Closing it
    /// leaves the stream below open.
    /// </summary>
    public class RC4Stream : Stream
    {
        private readonly Stream _stream;
        private readonly RC4Cipher _cipher;

        /// <summary>A stream over another one.</summary>
        /// <param name="stream">What carries the encrypted bytes.</param>
        /// <param name="key">The key, 1 to 256 bytes.</param>
        /// <exception cref="RC4KeySizeException">The key has another length.</exception>
        public RC4Stream(Stream stream, byte[] key)
        {
            _stream = stream;
            _cipher = new RC4Cipher(key);
        }

        /// <summary>As the stream below.</summary>
        public override bool CanRead
        {
            get { return _stream.CanRead; }
        }

        /// <summary>As the stream below.</summary>
        public override bool CanSeek
        {
            get { return _stream.CanSeek; }
        }

        /// <summary>As the stream below.</summary>
        public override bool CanWrite
        {
            get { return _stream.CanWrite; }
        }

        /// <summary>As the stream below.</summary>
        public override long Length
        {
            get { return _stream.Length; }
        }

        /// <summary>As the stream below; the key stream does not follow.</summary>
        public override long Position
        {
            get { return _stream.Position; }
            set { _stream.Position = value; }
        }

        /// <summary>Reads from the stream below, and decrypts.</summary>
        public override int Read(byte[] buffer, int offset, int count)
        {
            count = _stream.Read(buffer, offset, count);
            _cipher.XORKeyStream(buffer, offset, buffer, offset, count);
            return count;
        }

        /// <summary>Writes encrypted bytes to the stream below; the buffer stays as it is.</summary>
        public override void Write(byte[] buffer, int offset, int count)
        {
            var encrypted = new byte[count];
            _cipher.XORKeyStream(encrypted, 0, buffer, offset, count);
            _stream.Write(encrypted, 0, count);
        }

        /// <summary>As the stream below; the key stream does not follow.</summary>
        public override long Seek(long offset, SeekOrigin origin)
        {
            return _stream.Seek(offset, origin);
        }

        /// <summary>As the stream below.</summary>
        public override void SetLength(long length)
        {
            _stream.SetLength(length);
        }

        /// <summary>As the stream below.</summary>
        public override void Flush()
        {
            _stream.Flush();
        }
    }

    /// <summary>A key of RC4 has a length that none has.</summary>
    public class RC4KeySizeException : Exception
    {
        private readonly int _size;

        /// <summary>An error about a key.</summary>
        /// <param name="size">Its length in bytes.</param>
        public RC4KeySizeException(int size)
        {
            _size = size;
        }

        /// <summary>What is wrong, with the length.</summary>
        public override string Message
        {
            get { return "RC4Stream: invalid key size " + _size; }
        }
    }
}
