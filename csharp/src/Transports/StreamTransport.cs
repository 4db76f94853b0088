using System;
using System.IO;
using System.Threading;
using Fastway.Buffers;

namespace Fastway.Transports
{
    /// <summary>
    /// A stream that somebody else has connected. Streams can only be waited for, so a thread reads it and another one
    /// writes it.
    /// </summary>
    /// <remarks>
    /// When the program ends, the runtime breaks the read off. That must wake nobody: Mono aborts when a thread that it ends
    /// takes a lock, or starts a timer, while it shuts down.
    /// </remarks>
    internal sealed class StreamTransport : Transport
    {
        private const int BlockBytes = 64 << 10;

        /// <summary>Above so many bytes the reader waits until some are taken, and writes are not taken.</summary>
        private const int MostWaiting = 256 << 10;

        /// <summary>Milliseconds after which a closed stream that takes nothing is closed all the same.</summary>
        private const int CloseGrace = 1000;

        private readonly object _gate = new object();
        private readonly Stream _stream;
        private readonly ByteQueue _read = new ByteQueue(new ChunkPool());
        private readonly ByteQueue _toWrite = new ByteQueue(new ChunkPool());
        private bool _writes;
        private bool _isWriting;
        private bool _closed;
        private bool _readToEnd;
        private Exception _fault;
        private Timer _forcedClose;

        public StreamTransport(Stream stream)
        {
            _stream = stream;
            IsOpen = true;
            Start(ReadOn, "fastway reads");
            Start(WriteOn, "fastway writes");
        }

        public override int Read(ArraySegment<byte> into)
        {
            lock (_gate)
            {
                if (_read.Count == 0)
                {
                    if (_readToEnd || _fault != null)
                    {
                        Ended(_fault);
                    }
                    return 0;
                }
                var first = _read.First();
                var count = Math.Min(first.Count, into.Count);
                Buffer.BlockCopy(first.Array, first.Offset, into.Array, into.Offset, count);
                _read.Drop(count);
                Monitor.PulseAll(_gate);
                return count;
            }
        }

        public override int Write(ArraySegment<byte> bytes)
        {
            lock (_gate)
            {
                if (HasEnded || _toWrite.Count >= MostWaiting)
                {
                    return 0;
                }
                _toWrite.Add(bytes.Array, bytes.Offset, bytes.Count);
                return bytes.Count;
            }
        }

        /// <summary>Lets the writer begin: what was taken in pieces goes out in one, which suits TCP better.</summary>
        public override void Flush()
        {
            lock (_gate)
            {
                _writes = _toWrite.Count > 0;
                Monitor.PulseAll(_gate);
            }
        }

        public override void Wait(int milliseconds)
        {
            lock (_gate)
            {
                if (_read.Count == 0 && !_readToEnd && _fault == null)
                {
                    Monitor.Wait(_gate, milliseconds);
                }
            }
        }

        /// <summary>What was written goes out before the stream is closed, unless it takes nothing.</summary>
        public override void Close()
        {
            lock (_gate)
            {
                Ended(null);
                if (!_closed)
                {
                    _closed = true;
                    ForceCloseLater();
                }
                Monitor.PulseAll(_gate);
            }
        }

        /// <summary>Where nothing waits to be written, the writer closes the stream at once.</summary>
        private void ForceCloseLater()
        {
            if ((_isWriting || _toWrite.Count > 0) && !Environment.HasShutdownStarted)
            {
                _forcedClose = new Timer(CloseNow, null, CloseGrace, Timeout.Infinite);
            }
        }

        private static void Start(ThreadStart work, string name)
        {
            new Thread(work) { IsBackground = true, Name = name }.Start();
        }

        private void ReadOn()
        {
            var block = new byte[BlockBytes];
            try
            {
                int count;
                do
                {
                    count = _stream.Read(block, 0, block.Length);
                }
                while (TakeRead(block, count));
            }
            catch (Exception error)
            {
                // Whatever a stream throws, it is over.
                if (!Environment.HasShutdownStarted)
                {
                    Fail(error);
                }
            }
        }

        private bool TakeRead(byte[] block, int count)
        {
            if (count == 0 && Environment.HasShutdownStarted)
            {
                return false;
            }
            lock (_gate)
            {
                _read.Add(block, 0, count);
                _readToEnd = count == 0;
                Monitor.PulseAll(_gate);
                while (_read.Count >= MostWaiting && !_closed)
                {
                    Monitor.Wait(_gate);
                }
                return !_readToEnd && !_closed;
            }
        }

        private void WriteOn()
        {
            var block = new byte[BlockBytes];
            try
            {
                int count;
                while ((count = NextToWrite(block)) > 0)
                {
                    _stream.Write(block, 0, count);
                }
            }
            catch (Exception error)
            {
                Fail(error);
            }
            CloseStream();
        }

        private void CloseNow(object unused)
        {
            CloseStream();
        }

        /// <summary>Waits for bytes to write; 0 when the end has come.</summary>
        private int NextToWrite(byte[] block)
        {
            lock (_gate)
            {
                _isWriting = false;
                while (!_writes && !_closed && _fault == null)
                {
                    Monitor.Wait(_gate);
                }
                var count = _fault == null ? TakeToWrite(block) : 0;
                _writes = _toWrite.Count > 0;
                _isWriting = count > 0;
                return count;
            }
        }

        private int TakeToWrite(byte[] block)
        {
            var taken = 0;
            while (_toWrite.Count > 0 && taken < block.Length)
            {
                var first = _toWrite.First();
                var count = Math.Min(first.Count, block.Length - taken);
                Buffer.BlockCopy(first.Array, first.Offset, block, taken, count);
                _toWrite.Drop(count);
                taken += count;
            }
            return taken;
        }

        private void Fail(Exception error)
        {
            lock (_gate)
            {
                _fault = _fault ?? error;
                Monitor.PulseAll(_gate);
            }
        }

        private void CloseStream()
        {
            lock (_gate)
            {
                if (_forcedClose != null)
                {
                    _forcedClose.Dispose();
                }
            }
            try
            {
                _stream.Close();
            }
            catch (Exception error)
            {
                Fail(error);
            }
        }
    }
}
