using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace Fastway.Tests.Support
{
    /// <summary>A network between end points and a gateway that fails when it is told to.</summary>
    internal sealed class Tunnel : IDisposable
    {
        private const long Nowhere = long.MaxValue;

        private readonly Listener _listener;
        private readonly List<Socket> _sockets = new List<Socket>();
        private volatile string _target;
        private volatile bool _swallows;
        private bool _closed;
        private int _made;
        private long _swallowsBehind = Nowhere;

        public Tunnel(string target)
        {
            _target = target;
            _listener = new Listener(Connect);
        }

        public string Address
        {
            get { return _listener.Address.ToString(); }
        }

        /// <summary>Connections that were made through it so far.</summary>
        public int Made
        {
            get { return Volatile.Read(ref _made); }
        }

        /// <summary>A connection leads through it that can be cut.</summary>
        public bool IsUp
        {
            get
            {
                lock (_sockets)
                {
                    return _sockets.Count > 0;
                }
            }
        }

        /// <summary>
        /// While it is set, what comes is read and goes nowhere, and nothing that comes behind it on the same connection
        /// goes anywhere later: TCP leaves no gaps.
        /// </summary>
        public bool Swallows
        {
            set { _swallows = value; }
        }

        /// <summary>On the next connection, all that goes to the gateway behind so many bytes is swallowed.</summary>
        public void SwallowNextBehind(int bytes)
        {
            Volatile.Write(ref _swallowsBehind, bytes);
        }

        /// <summary>Where new connections lead to.</summary>
        public void LeadTo(string target)
        {
            _target = target;
        }

        /// <summary>Cuts all connections that lead through it.</summary>
        public void Cut()
        {
            lock (_sockets)
            {
                foreach (var socket in _sockets)
                {
                    socket.Close();
                }
                _sockets.Clear();
            }
        }

        public void Dispose()
        {
            lock (_sockets)
            {
                _closed = true;
            }
            _listener.Dispose();
            Cut();
        }

        private static void Start(ThreadStart work)
        {
            new Thread(work) { IsBackground = true, Name = "tunnel" }.Start();
        }

        private void Connect(Socket near)
        {
            var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            near.NoDelay = far.NoDelay = true;
            try
            {
                var parts = _target.Split(':');
                far.Connect(parts[0], int.Parse(parts[1]));
            }
            catch (SocketException)
            {
                near.Close();
                return;
            }
            lock (_sockets)
            {
                _sockets.Add(near);
                _sockets.Add(far);
                if (_closed)
                {
                    Cut();
                }
            }
            Interlocked.Increment(ref _made);
            var most = Interlocked.Exchange(ref _swallowsBehind, Nowhere);
            Start(() => Copy(near, far, most));
            Start(() => Copy(far, near, Nowhere));
        }

        private void Copy(Socket from, Socket to, long most)
        {
            var block = new byte[16 << 10];
            var copied = 0L;
            var isHole = false;
            try
            {
                int count;
                while ((count = from.Receive(block)) > 0)
                {
                    for (var sent = 0; sent < count && !(isHole |= _swallows || copied >= most);)
                    {
                        var gone = to.Send(block, sent, (int)Math.Min(count - sent, most - copied), SocketFlags.None);
                        sent += gone;
                        copied += gone;
                    }
                }
            }
            catch (SocketException)
            {
                // Cut.
            }
            catch (ObjectDisposedException)
            {
                // Cut.
            }
            from.Close();
            to.Close();
        }
    }
}
