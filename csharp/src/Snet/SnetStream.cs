using System;
using System.IO;
using System.Net;
using System.Threading;
using System.Threading.Tasks;

namespace Snet
{
    /// <summary>
    /// A byte stream that survives its TCP connection, as the original's <c>SnetStream</c>: when the connection breaks, a
    /// read or a write connects again and goes on where it was. One thread may read while another one writes.
    /// </summary>
    /// <remarks>
    /// It speaks legacy sessions (docs/protocol.md §2), which protect nothing against an active attacker. New programs use
    /// <see cref="Fastway.EndPoint"/> with secure sessions instead. The end of such a stream is not told from a cut, so a
    /// read never gives 0 bytes: it throws when the gateway does not take the session back.
    /// </remarks>
    public class SnetStream : Stream
    {
        private readonly SnetLink _link;

        /// <summary>A stream that is not connected.</summary>
        /// <param name="size">How many of the bytes that were sent last are kept to be sent again.</param>
        /// <param name="enableCrypt">Whether the stream is encrypted; the gateway must be set alike.</param>
        public SnetStream(int size, bool enableCrypt) : this(size, enableCrypt, Dns.GetHostAddresses)
        {
        }

        internal SnetStream(int size, bool enableCrypt, Func<string, IPAddress[]> lookUp)
        {
            if (size < 0)
            {
                throw new ArgumentOutOfRangeException("size", size, "it must not be below 0");
            }
            _link = new SnetLink(size, enableCrypt, lookUp);
        }

        /// <summary>The session's number; 0 before it is connected.</summary>
        public ulong ID
        {
            get { return _link.Id; }
        }

        /// <summary>Milliseconds that connecting to one address, and the gateway's answer, may take; while the host has
        /// another address, at most 2,000. Default 10,000.</summary>
        public int ConnectTimeout
        {
            get { return _link.ConnectTimeout; }
            set { _link.ConnectTimeout = value; }
        }

        /// <summary>Milliseconds without a byte after which a waiting read takes the connection for broken, and connects again;
        /// 0, the default, for never.</summary>
        public override int ReadTimeout
        {
            get { return _link.ReadTimeout; }
            set { _link.ReadTimeout = value; }
        }

        /// <summary>Milliseconds after which a write that is not taken takes the connection for broken, and connects again; 0,
        /// the default, for never.</summary>
        public override int WriteTimeout
        {
            get { return _link.WriteTimeout; }
            set { _link.WriteTimeout = value; }
        }

        /// <summary>Milliseconds for which it tries to connect again before it gives up; set it before it is connected.
        /// Default 60,000, which is for how long the gateway waits.</summary>
        public int ReconnectTimeout
        {
            get { return _link.ReconnectTimeout; }
            set { _link.ReconnectTimeout = value; }
        }

        /// <summary>It has time-outs.</summary>
        public override bool CanTimeout
        {
            get { return true; }
        }

        /// <summary>It can be read.</summary>
        public override bool CanRead
        {
            get { return true; }
        }

        /// <summary>It can be written.</summary>
        public override bool CanWrite
        {
            get { return true; }
        }

        /// <summary>It has no positions.</summary>
        public override bool CanSeek
        {
            get { return false; }
        }

        /// <summary>It has no length.</summary>
        public override long Length
        {
            get { throw new NotSupportedException(); }
        }

        /// <summary>It has no positions.</summary>
        public override long Position
        {
            get { throw new NotSupportedException(); }
            set { throw new NotSupportedException(); }
        }

        /// <summary>Connects and opens the session, at the first address of the host that answers.</summary>
        /// <exception cref="InvalidOperationException">It was connected before.</exception>
        /// <exception cref="TimeoutException"><see cref="ConnectTimeout"/> is over.</exception>
        /// <exception cref="IOException">The answer was not what a gateway with such sessions says.</exception>
        /// <exception cref="System.Net.Sockets.SocketException">There is no connection.</exception>
        public void Connect(string host, int port)
        {
            _link.Connect(host, port);
        }

        /// <summary>Begins to connect; <see cref="EndConnect"/> tells how it went.</summary>
        /// <exception cref="InvalidOperationException">It was connected before.</exception>
        public IAsyncResult BeginConnect(string host, int port, AsyncCallback callback, object state)
        {
            _link.CheckNotConnected();
            return Begin(() => Do(() => Connect(host, port)), callback, state);
        }

        /// <summary>Waits until what <see cref="BeginConnect"/> began is done. It throws what <see cref="Connect"/> would.</summary>
        public void WaitConnect(IAsyncResult asyncResult)
        {
            End(asyncResult);
        }

        /// <summary>The same as <see cref="WaitConnect"/>.</summary>
        public void EndConnect(IAsyncResult asyncResult)
        {
            End(asyncResult);
        }

        /// <summary>Gives up the connection and makes another one. False when the session is lost, or the stream
        /// closed.</summary>
        public bool TryReconn()
        {
            return _link.TryReconnect();
        }

        /// <summary>Waits for bytes, and connects again if it must.</summary>
        /// <exception cref="IOException">The session is lost; the message says why.</exception>
        /// <exception cref="ObjectDisposedException">The stream is closed.</exception>
        public override int Read(byte[] buffer, int offset, int size)
        {
            return size == 0 ? 0 : _link.Read(buffer, offset, size);
        }

        /// <summary>Sends bytes, and connects again if it must.</summary>
        /// <exception cref="IOException">The session is lost; the message says why.</exception>
        /// <exception cref="ObjectDisposedException">The stream is closed.</exception>
        public override void Write(byte[] buffer, int offset, int size)
        {
            _link.Write(buffer, offset, size);
        }

        /// <summary>Begins to read as many bytes as are asked for: unlike <see cref="Read"/>, it ends with all of them.</summary>
        public override IAsyncResult BeginRead(byte[] buffer, int offset, int count, AsyncCallback callback, object state)
        {
            return Begin(() => ReadAll(buffer, offset, count), callback, state);
        }

        /// <summary>Waits for what <see cref="BeginRead"/> began, and says how many bytes were read.</summary>
        public override int EndRead(IAsyncResult asyncResult)
        {
            return End(asyncResult);
        }

        /// <summary>Begins to write.</summary>
        public override IAsyncResult BeginWrite(byte[] buffer, int offset, int count, AsyncCallback callback, object state)
        {
            return Begin(() => Do(() => Write(buffer, offset, count)), callback, state);
        }

        /// <summary>Waits for what <see cref="BeginWrite"/> began.</summary>
        public override void EndWrite(IAsyncResult asyncResult)
        {
            End(asyncResult);
        }

        /// <summary>Does nothing: what is written is sent at once.</summary>
        public override void Flush()
        {
        }

        /// <summary>It has no positions.</summary>
        public override long Seek(long offset, SeekOrigin origin)
        {
            throw new NotSupportedException();
        }

        /// <summary>It has no length.</summary>
        public override void SetLength(long value)
        {
            throw new NotSupportedException();
        }

        /// <summary>Closes the connection. The gateway waits for another one until its wait time is over.</summary>
        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _link.Close();
            }
            base.Dispose(disposing);
        }

        private int ReadAll(byte[] buffer, int offset, int count)
        {
            for (var read = 0; read < count;)
            {
                read += Read(buffer, offset + read, count - read);
            }
            return count;
        }

        private static int Do(Action action)
        {
            action();
            return 0;
        }

        private static IAsyncResult Begin(Func<int> work, AsyncCallback callback, object state)
        {
            var task = Task.Factory.StartNew(
                ignored => work(), state, CancellationToken.None, TaskCreationOptions.None, TaskScheduler.Default);
            if (callback != null)
            {
                task.ContinueWith(done => callback(done), TaskScheduler.Default);
            }
            return task;
        }

        private static int End(IAsyncResult asyncResult)
        {
            return ((Task<int>)asyncResult).GetAwaiter().GetResult();
        }
    }
}
