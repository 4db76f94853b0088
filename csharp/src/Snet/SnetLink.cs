using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Fastway;
using Fastway.Crypto;
using Fastway.Links;
using Fastway.Sessions;
using Fastway.Sessions.Legacy;

namespace Snet
{
    /// <summary>A legacy session and the socket that carries it, for a thread that reads and one that writes. Whoever finds the
    /// socket broken makes the next one; the other waits for that, and goes on with it.</summary>
    internal sealed class SnetLink
    {
        /// <summary>Bytes that are read at a time; the session has room for as many.</summary>
        private const int ReadBytes = 16 * 1024;
        /// <summary>Between two attempts to connect, after a first one without a pause.</summary>
        private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
        private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);
        /// <summary>After a refusal: the server is there, and all that is wanted is that it says the same again.</summary>
        private static readonly TimeSpan RefusalPause = TimeSpan.FromMilliseconds(50);

        /// <summary>Milliseconds that an address may be silent while there is another one.</summary>
        private const int AddressPatience = 2000;

        private readonly int _size;
        private readonly bool _encrypt;
        private readonly Func<string, IPAddress[]> _lookUp;
        /// <summary>Held for the session and the socket's place, and while a new connection is made.</summary>
        private readonly object _gate = new object();
        private readonly object _reading = new object();
        private readonly object _writing = new object();
        /// <summary>Held from taking bytes off the session until the socket has them, so that they keep their order.</summary>
        private readonly object _sending = new object();
        private readonly ManualResetEvent _closing = new ManualResetEvent(false);
        private readonly byte[] _in = new byte[ReadBytes];
        private readonly byte[] _out = new byte[2 * Session.MinSendBytes];
        private readonly byte[] _unread = new byte[ReadBytes];
        private int _unreadStart;
        private int _unreadEnd;
        /// <summary>The address that has answered. The session is there, so reconnects go nowhere else.</summary>
        private IPEndPoint _target;
        private LegacySession _session;
        private volatile Socket _socket;
        private volatile Socket _connecting;
        private int _readTimeout;
        private int _writeTimeout;

        public SnetLink(int size, bool encrypt, Func<string, IPAddress[]> lookUp)
        {
            _size = size;
            _encrypt = encrypt;
            _lookUp = lookUp;
        }

        public int ConnectTimeout { get; set; } = 10000;

        public int ReconnectTimeout { get; set; } = 60000;

        public int ReadTimeout
        {
            get { return _readTimeout; }
            set
            {
                _readTimeout = value;
                SetTimeouts(_socket);
            }
        }

        public int WriteTimeout
        {
            get { return _writeTimeout; }
            set
            {
                _writeTimeout = value;
                SetTimeouts(_socket);
            }
        }

        public ulong Id
        {
            get { return _session == null ? 0 : _session.Id; }
        }

        private bool IsClosed
        {
            get { return _closing.WaitOne(0); }
        }

        /// <exception cref="InvalidOperationException">It was connected before.</exception>
        public void CheckNotConnected()
        {
            if (_session != null)
            {
                throw new InvalidOperationException("The stream was connected before.");
            }
        }

        public void Connect(string host, int port)
        {
            lock (_gate)
            {
                CheckNotConnected();
                var addresses = _lookUp(host);
                if (addresses.Length == 0)
                {
                    throw new SocketException((int)SocketError.HostNotFound);
                }
                for (var at = 0; _socket == null; at++)
                {
                    TryAddress(new IPEndPoint(addresses[at], port), at + 1 == addresses.Length);
                }
            }
        }

        public bool TryReconnect()
        {
            return Reconnect(_socket);
        }

        public int Read(byte[] buffer, int offset, int count)
        {
            lock (_reading)
            {
                while (_unreadStart == _unreadEnd)
                {
                    var socket = Current();
                    // A new connection has its proof, and what was lost, to send first.
                    if (!SendWaiting(socket) || !Receive(socket))
                    {
                        Recover(socket);
                    }
                }
                var read = Math.Min(count, _unreadEnd - _unreadStart);
                Buffer.BlockCopy(_unread, _unreadStart, buffer, offset, read);
                _unreadStart += read;
                return read;
            }
        }

        public void Write(byte[] buffer, int offset, int count)
        {
            lock (_writing)
            {
                var isSent = false;
                while (count > 0 || !isSent)
                {
                    var socket = Current();
                    var taken = Take(buffer, offset, count);
                    offset += taken;
                    count -= taken;
                    isSent = SendWaiting(socket);
                    if (!isSent)
                    {
                        Recover(socket);
                    }
                }
            }
        }

        public void Close()
        {
            _closing.Set();
            Sockets.Close(_socket);
            Sockets.Close(_connecting);
        }

        /// <summary>Opens the session at an address; only the last one may fail.</summary>
        private void TryAddress(IPEndPoint target, bool isLast)
        {
            _target = target;
            _session = new LegacySession(_encrypt, _size, ReconnectTimeout, Clock.Now, RandomSource.System);
            try
            {
                _socket = NewTransport(isLast ? ConnectTimeout : Math.Min(ConnectTimeout, AddressPatience));
            }
            catch (Exception error)
            {
                _session = null;
                if (isLast || !IsOfTheNetwork(error) || IsClosed)
                {
                    throw;
                }
            }
        }

        private static bool IsOfTheNetwork(Exception error)
        {
            return error is SocketException || error is IOException || error is TimeoutException
                || error is ObjectDisposedException;
        }

        private int Take(byte[] buffer, int offset, int count)
        {
            lock (_gate)
            {
                return _session.Write(buffer, offset, count);
            }
        }

        /// <summary>The socket to use, if there is one.</summary>
        private Socket Current()
        {
            lock (_gate)
            {
                ThrowIfClosed();
                if (_session == null)
                {
                    throw new InvalidOperationException("The stream is not connected.");
                }
                if (_session.End != null)
                {
                    throw new IOException("The session is lost: " + _session.End);
                }
                return _socket;
            }
        }

        private void Recover(Socket broken)
        {
            if (!Reconnect(broken))
            {
                Current();
            }
        }

        /// <summary>Sends what the session has to send; false if the socket is broken, or is not the session's any
        /// more.</summary>
        private bool SendWaiting(Socket socket)
        {
            lock (_sending)
            {
                while (true)
                {
                    int count;
                    lock (_gate)
                    {
                        if (socket == null || socket != _socket)
                        {
                            return false;
                        }
                        count = _session.Send(_out, 0, _out.Length, Clock.Now);
                    }
                    if (count == 0)
                    {
                        return true;
                    }
                    if (!Sockets.SendAll(socket, _out, count))
                    {
                        return false;
                    }
                }
            }
        }

        /// <summary>Waits for bytes; false if the socket is broken.</summary>
        private bool Receive(Socket socket)
        {
            var count = Sockets.Receive(socket, _in, 0, _in.Length);
            lock (_gate)
            {
                if (count == 0 || socket != _socket)
                {
                    return false;
                }
                var stream = Feed(_in, count);
                Buffer.BlockCopy(stream.Array, stream.Offset, _unread, 0, stream.Count);
                _unreadStart = 0;
                _unreadEnd = stream.Count;
                return true;
            }
        }

        /// <summary>Makes a new connection in the place of a broken one, unless somebody else has. It tries until the session is
        /// refused or out of time, or the stream is closed.</summary>
        private bool Reconnect(Socket broken)
        {
            lock (_gate)
            {
                if (_session == null || IsClosed || _session.End != null)
                {
                    return false;
                }
                if (_socket != broken)
                {
                    return true;
                }
                Sockets.Close(broken);
                _session.TransportLost(Clock.Now);
                var random = new Random();
                var pauses = new Pauses(FirstPause, LongestPause, random);
                var refusalPauses = new Pauses(RefusalPause, RefusalPause, random);
                while (!TryTransport())
                {
                    var pause = (IsRefused() ? refusalPauses : pauses).Next();
                    if (_session.End != null || _closing.WaitOne((int)pause))
                    {
                        return false;
                    }
                }
                return true;
            }
        }

        private bool TryTransport()
        {
            try
            {
                _socket = NewTransport(ConnectTimeout);
                return true;
            }
            catch (Exception error) when (IsOfTheNetwork(error))
            {
                // The session knows for how long it is worth trying again.
                _session.TransportLost(Clock.Now);
                _session.Tick(Clock.Now);
                return false;
            }
        }

        /// <summary>A socket that carries the session.</summary>
        private Socket NewTransport(int timeout)
        {
            var socket = new Socket(_target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            _connecting = socket;
            try
            {
                ThrowIfClosed();
                Sockets.Connect(socket, _target, timeout);
                Greet(socket);
                SetTimeouts(socket);
                ThrowIfClosed();
                return socket;
            }
            catch
            {
                Sockets.Close(socket);
                throw;
            }
            finally
            {
                _connecting = null;
            }
        }

        /// <summary>Opens or resumes the session. Nothing but the reply is read.</summary>
        private void Greet(Socket socket)
        {
            var hello = _session.Connect(Clock.Now);
            var reply = new byte[LegacyMessages.ReplyBytes];
            if (!Sockets.SendAll(socket, hello.Array, hello.Count))
            {
                throw new IOException("The connection to " + _target + " broke.");
            }
            for (var read = 0; read < reply.Length;)
            {
                var count = Sockets.Receive(socket, reply, read, reply.Length - read);
                if (count == 0)
                {
                    throw new EndOfStreamException(NoSession());
                }
                read += count;
            }
            Feed(reply, reply.Length);
            if (!_session.IsLive)
            {
                throw new IOException(_target + " refused the session.");
            }
            ForgetEvents();
        }

        private string NoSession()
        {
            return _target + " did not answer with a session; does the port admit legacy sessions (the gateway's"
                + " --client-link legacy)?";
        }

        private ArraySegment<byte> Feed(byte[] bytes, int count)
        {
            var space = _session.ReceiveSpace();
            Buffer.BlockCopy(bytes, 0, space.Array, space.Offset, count);
            ArraySegment<byte> stream;
            _session.Receive(count, Clock.Now, out stream);
            return stream;
        }

        /// <summary>Nobody waits for them: reads and writes tell what happens.</summary>
        private void ForgetEvents()
        {
            IsRefused();
        }

        /// <summary>Takes what has happened, and says whether the server has refused meanwhile.</summary>
        private bool IsRefused()
        {
            var isRefused = false;
            SessionEvent happened;
            while (_session.PollEvent(out happened))
            {
                isRefused |= happened.Kind == SessionEventKind.Refused;
            }
            return isRefused;
        }

        private void SetTimeouts(Socket socket)
        {
            if (socket != null)
            {
                socket.ReceiveTimeout = ReadTimeout;
                socket.SendTimeout = WriteTimeout;
            }
        }

        private void ThrowIfClosed()
        {
            if (IsClosed)
            {
                throw new ObjectDisposedException("SnetStream");
            }
        }
    }
}
