using System;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Threading;
using Fastway.EndPoints;
using Fastway.Links;
using Fastway.Multiplexing;
using Fastway.Transports;

namespace Fastway
{
    /// <summary>
    /// One end of a link to a gateway, with any number of connections on it.
    /// </summary>
    /// <remarks>
    /// <para>In a game loop, call <see cref="Poll"/> once a frame: it moves everything, waits for nothing, and raises the
    /// events, on its caller's thread. Programs without a loop have <see cref="EndPointOptions.RunsItself"/>, or connect
    /// with <see cref="ConnectClientAsync"/>: a thread moves everything then.</para>
    /// <para>All members may be used from several threads at a time.</para>
    /// </remarks>
    public partial class EndPoint : IDisposable
    {
        private readonly object _gate = new object();
        private readonly EndPointOptions _options;
        private readonly MuxSettings _settings;
        private readonly Mux _mux;
        private readonly Link _link;
        private readonly Admission _admission;
        private readonly KeepAlive _keepAlive;
        private readonly Driver _driver;
        private readonly long _connectDeadline;

        /// <summary>What the program does about a silent gateway; null where the link is given up.</summary>
        private readonly PingTimeoutAction _timeoutCallback;

        /// <summary>The silence of a link counts from its first ping on, not from the first answer.</summary>
        private readonly bool _isOriginal;

        private LinkException _failure;
        private bool _closed;

        /// <summary>
        /// A client over a stream that is connected, like the original's. It runs itself: nobody needs to call
        /// <see cref="Poll"/>.
        /// </summary>
        /// <param name="stream">The network's stream, or a <c>SnetStream</c>.</param>
        public EndPoint(Stream stream)
            : this(new EndPointOptions { RunsItself = true }, Role.Client, 0, null,
                new PlainLink(new StreamTransport(stream)))
        {
        }

        /// <summary>
        /// A client over a stream that is connected, like the original's. It runs itself: nobody needs to call
        /// <see cref="Poll"/>.
        /// </summary>
        /// <param name="s">The network's stream, or a <c>SnetStream</c>.</param>
        /// <param name="pingInterval">
        /// Milliseconds between pings; below the gateway's idle timeout. Zero or less: no pings.
        /// </param>
        /// <param name="pingTimeout">Milliseconds for the answer to a ping.</param>
        /// <param name="timeoutCallback">
        /// Asked when no answer has come in that time. Null, or when it returns false: the end point is closed.
        /// </param>
        /// <exception cref="ArgumentException">There is an interval and no timeout.</exception>
        public EndPoint(Stream s, double pingInterval, double pingTimeout, PingTimeoutAction timeoutCallback)
            : this(OriginalOptions(pingInterval, pingTimeout), Role.Client, 0, null,
                new PlainLink(new StreamTransport(s)), KeepAlive.Original(pingInterval, pingTimeout), timeoutCallback)
        {
            _isOriginal = true;
            _driver.Start();
        }

        internal EndPoint(EndPointOptions options, Role role, uint serverId, string authKey, Link link)
            : this(options, role, serverId, authKey, link, KeepAlive.For(options), null)
        {
            if (_driver != null)
            {
                _driver.Start();
            }
        }

        private EndPoint(EndPointOptions options, Role role, uint serverId, string authKey, Link link,
            KeepAlive keepAlive, PingTimeoutAction timeoutCallback)
        {
            options.Check();
            _options = options;
            _link = link;
            _timeoutCallback = timeoutCallback;
            _admission = new Admission(role, options.Session);
            _settings = new MuxSettings(role, options, serverId, authKey);
            _mux = new Mux(_settings);
            _keepAlive = keepAlive;
            var now = Clock.Now;
            _keepAlive.Start(now);
            _connectDeadline = now + (long)options.ConnectTimeout.TotalMilliseconds;
            _readBudget = new ReadBudget(options.PollBudget, Stopwatch.Frequency, Stopwatch.GetTimestamp());
            _driver = options.RunsItself ? new Driver(this) : null;
        }

        /// <summary>The gateway has answered for the first time.</summary>
        public event Action<EndPoint> Ready;

        /// <summary>
        /// Somebody has dialed this end. With a handler, <see cref="Accept"/> gives nothing.
        /// </summary>
        public event Action<Conn> Accepted;

        /// <summary>
        /// The network under the session is gone. Connections stay, messages wait; the end point looks for a way back.
        /// </summary>
        public event Action<EndPoint> Interrupted;

        /// <summary>The session goes on; nothing was lost or doubled.</summary>
        public event Action<EndPoint> Resumed;

        /// <summary>
        /// The link is over for good, and so are its connections, for another reason than a <see cref="Close"/> of this
        /// side. It comes behind the <see cref="Conn.Closed"/> of the connections.
        /// </summary>
        public event Action<LinkException> Lost;

        /// <summary>The gateway has answered, and the link is not over.</summary>
        public bool IsReady
        {
            get
            {
                lock (_gate)
                {
                    return _mux.IsUp && _failure == null;
                }
            }
        }

        /// <summary>Bytes get through to the gateway, as far as is known. False while a session is interrupted.</summary>
        public bool IsOnline
        {
            get
            {
                lock (_gate)
                {
                    return _link.IsLive && _failure == null;
                }
            }
        }

        /// <summary>Why the link is over; null while it is not.</summary>
        public LinkException Failure
        {
            get
            {
                lock (_gate)
                {
                    return _failure;
                }
            }
        }

        /// <summary>The local time at which something came from the gateway last; the default value before that.</summary>
        public DateTime LastActive
        {
            get
            {
                lock (_gate)
                {
                    return _lastHeard == default(DateTime) ? _lastHeard : _lastHeard.ToLocalTime();
                }
            }
        }

        /// <summary>Bytes that wait to be received, on all connections together.</summary>
        public int UnreadBytes
        {
            get
            {
                lock (_gate)
                {
                    return _mux.UnreadBytes;
                }
            }
        }

        /// <summary>
        /// Begins to connect to the client port of a gateway, and waits for nothing: <see cref="Ready"/> or
        /// <see cref="Lost"/> tell what came of it.
        /// </summary>
        /// <param name="address">The gateway's client port, as <c>host:port</c>.</param>
        /// <param name="options">What it may do; null for the defaults.</param>
        /// <returns>The end point; dialing and sending need not wait for it to be ready.</returns>
        public static EndPoint ConnectClient(string address, EndPointOptions options = null)
        {
            return Connect(Role.Client, address, 0, null, options);
        }

        /// <summary>
        /// Begins to connect to the server port of a gateway and to register there, and waits for nothing:
        /// <see cref="Ready"/> or <see cref="Lost"/> tell what came of it.
        /// </summary>
        /// <param name="address">The gateway's server port, as <c>host:port</c>.</param>
        /// <param name="serverId">The number under which clients dial this server.</param>
        /// <param name="authKey">The gateway's key.</param>
        /// <param name="options">What it may do; null for the defaults.</param>
        /// <returns>The end point.</returns>
        public static EndPoint ConnectServer(
            string address, uint serverId, string authKey, EndPointOptions options = null)
        {
            return Connect(Role.Server, address, serverId, authKey, options);
        }

        /// <summary>
        /// A server over a stream that is connected to the server port of a gateway, for those who make the connection
        /// themselves. It has <see cref="EndPointOptions.RunsItself"/>, or is polled, as the options say.
        /// </summary>
        /// <param name="stream">The network's stream, or a <c>SnetStream</c>.</param>
        /// <param name="serverId">The number under which clients dial this server.</param>
        /// <param name="authKey">The gateway's key.</param>
        /// <param name="options">What it may do; null for the defaults.</param>
        /// <returns>The end point.</returns>
        public static EndPoint OpenServer(
            Stream stream, uint serverId, string authKey, EndPointOptions options = null)
        {
            return new EndPoint(options ?? new EndPointOptions(), Role.Server, serverId, authKey,
                new PlainLink(new StreamTransport(stream)));
        }

        /// <summary>
        /// Opens a connection: to a server by its ID, or, as a server, to a client by its ID. It can be sent to at once;
        /// the messages go out when the gateway says yes. When it says no, the connection is closed, with
        /// <see cref="Conn.CloseReason"/>.
        /// </summary>
        /// <param name="remoteID">Who is dialed.</param>
        /// <returns>The connection; null when the link is over.</returns>
        public Conn Dial(uint remoteID)
        {
            lock (_gate)
            {
                if (_failure != null)
                {
                    return null;
                }
                var conn = ConnOf(_mux.Dial(remoteID, Clock.Now));
                FlushIfAlone();
                return conn;
            }
        }

        /// <summary>Gives the connection that was dialed by somebody else and waits the longest.</summary>
        /// <returns>The connection; null when none waits.</returns>
        public Conn Accept()
        {
            lock (_gate)
            {
                var channel = _closed ? null : _mux.Accept();
                return channel == null ? null : ConnOf(channel);
            }
        }

        /// <summary>
        /// Moves everything: reads what has come, within <see cref="EndPointOptions.PollBudget"/>, writes what waits,
        /// and raises the events on the caller's thread. It waits for nothing. An exception of a handler comes through.
        /// </summary>
        public void Poll()
        {
            lock (_gate)
            {
                if (_dispatching)
                {
                    return;
                }
                _readUntil = _readBudget.Begin(Stopwatch.GetTimestamp());
                BeginTurn();
            }
            Dispatch();
            while (BeginAnotherTurn())
            {
                Dispatch();
            }
        }

        /// <summary>
        /// Sends no ping until <see cref="StartKeepAliveTimer"/>; the answer to one that was sent is still waited for. A
        /// gateway closes a link on which nothing comes for its idle timeout.
        /// </summary>
        public void StopKeepAliveTimer()
        {
            lock (_gate)
            {
                _keepAlive.StopPings();
            }
        }

        /// <summary>Sends pings again after <see cref="StopKeepAliveTimer"/>, the first one after an interval.</summary>
        public void StartKeepAliveTimer()
        {
            lock (_gate)
            {
                _keepAlive.GoOn(Clock.Now);
            }
        }

        /// <summary>
        /// Tells that the device has another network now. A session drops its old way to the gateway, even one that looks
        /// alive, and looks for a new one at once. A plain link is left as it is.
        /// </summary>
        public void NetworkChanged()
        {
            lock (_gate)
            {
                if (_failure == null)
                {
                    _link.NetworkChanged(Clock.Now);
                }
            }
        }

        /// <summary>
        /// Closes the link and all its connections at once. What was sent before is written as far as the network takes it
        /// without waiting; <see cref="ShutdownAsync"/> is for those who want to know.
        /// </summary>
        public void Close()
        {
            lock (_gate)
            {
                if (_closed)
                {
                    return;
                }
                _closed = true;
                if (_failure == null)
                {
                    _mux.CloseAll();
                    WriteAll(Clock.Now);
                    _link.Finish();
                    _link.Flush(Clock.Now);
                    End(new LinkException(LostReason.Closed));
                }
            }
            DispatchNow();
        }

        /// <summary><see cref="Close"/> under the name that <c>using</c> knows.</summary>
        public void Dispose()
        {
            Close();
        }

        internal object Gate
        {
            get { return _gate; }
        }

        /// <summary>To be used under the lock.</summary>
        internal Mux Mux
        {
            get { return _mux; }
        }

        /// <summary>Under the lock: sends a message, for which room is made if the network takes something.</summary>
        internal SendStatus Send(Channel channel, ArraySegment<byte> message)
        {
            var status = _mux.Send(channel, message);
            if (status == SendStatus.HeldUp)
            {
                WriteAll(Clock.Now);
                status = _mux.Send(channel, message);
            }
            FlushIfAlone();
            return status;
        }

        /// <summary>Under the lock: the same, behind those who wait for room.</summary>
        internal SendStatus SendInTurn(Channel channel, ArraySegment<byte> message)
        {
            return _pendingSends.Count > 0 ? SendStatus.HeldUp : Send(channel, message);
        }

        /// <summary>Under the lock: waits for room to send, where somebody else makes some; false where nobody does.</summary>
        internal bool WaitForRoom()
        {
            if (_driver == null || _driver.IsCurrent || _failure != null)
            {
                return false;
            }
            Monitor.Wait(_gate, 10);
            return true;
        }

        internal void CloseConn(Channel channel)
        {
            lock (_gate)
            {
                _mux.Close(channel);
                FlushIfAlone();
            }
        }

        /// <summary>Waits until there is something to do, for so long at most.</summary>
        internal void WaitForWork(int milliseconds)
        {
            bool isHeld;
            lock (_gate)
            {
                isHeld = _mux.IsHeld;
                milliseconds = _mux.Output.Count > 0 ? 1 : milliseconds;
            }
            if (isHeld)
            {
                Thread.Sleep(1);
            }
            else
            {
                _link.Wait(milliseconds);
            }
        }

        internal bool IsOver
        {
            get
            {
                lock (_gate)
                {
                    return _failure != null;
                }
            }
        }

        private static EndPoint Connect(
            Role role, string address, uint serverId, string authKey, EndPointOptions options)
        {
            options = options ?? new EndPointOptions();
            var target = Address.Parse(address);
            var admission = new Admission(role, options.Session);
            var link = options.Session == null
                ? (Link)new PlainLink(new SocketTransport(target))
                : new SessionLink(options, admission, known => SocketTo(known, target), Clock.Now);
            return new EndPoint(options, role, serverId, authKey, link);
        }

        /// <summary>To this address of the target; null has its name looked up.</summary>
        private static SocketTransport SocketTo(IPAddress address, Address target)
        {
            return address == null
                ? new SocketTransport(target)
                : new SocketTransport(new[] { address }, target.Port);
        }

        /// <summary>Pings alone bound the wait for the first answer, as they bound the wait for every other one.</summary>
        private static EndPointOptions OriginalOptions(double pingInterval, double pingTimeout)
        {
            if (pingInterval > 0 && pingTimeout <= 0)
            {
                throw new ArgumentException("pingTimeout <= 0", "pingTimeout");
            }
            return new EndPointOptions { ConnectTimeout = TimeSpan.MaxValue, RunsItself = true };
        }

        private Conn ConnOf(Channel channel)
        {
            return channel.Conn ?? (channel.Conn = new Conn(this, channel));
        }
    }
}
