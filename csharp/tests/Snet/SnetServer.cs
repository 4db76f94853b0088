using System;
using System.Collections.Generic;
using System.Net.Sockets;
using System.Threading;
using Fastway.Crypto;
using Fastway.Tests.Sessions.Acceptors;
using Fastway.Tests.Support;

namespace Fastway.Tests.Snet
{
    /// <summary>A server of legacy sessions on a real port, which sends back what it reads.</summary>
    internal sealed class SnetServer : IDisposable
    {
        private readonly Listener _listener;
        private readonly object _gate = new object();
        private readonly LegacyAcceptor _acceptor;
        private readonly Dictionary<Cable, Socket> _sockets = new Dictionary<Cable, Socket>();
        private readonly Dictionary<AcceptorSession, int> _echoed = new Dictionary<AcceptorSession, int>();

        public SnetServer(bool encrypt)
        {
            _acceptor = new LegacyAcceptor(encrypt, RandomSource.System);
            _listener = new Listener(socket => new Thread(() => Serve(socket)) { IsBackground = true }.Start());
        }

        public int Port
        {
            get { return _listener.Address.Port; }
        }

        /// <summary>Connections so far.</summary>
        public int Connections { get; private set; }

        /// <summary>Connections that carry nothing more from now on, while they stay open.</summary>
        public bool IsBlackHole { get; set; }

        public bool Refuses
        {
            set { _acceptor.Refuses = value; }
        }

        /// <summary>Cuts every connection.</summary>
        public void Cut()
        {
            lock (_gate)
            {
                foreach (var socket in _sockets.Values)
                {
                    socket.Close();
                }
            }
        }

        public void Dispose()
        {
            _listener.Dispose();
            Cut();
        }

        private void Serve(Socket socket)
        {
            var cable = new Cable();
            socket.NoDelay = true;
            lock (_gate)
            {
                Connections++;
                _sockets.Add(cable, socket);
            }
            var isBlackHole = false;
            try
            {
                var bytes = new byte[16 * 1024];
                int count;
                while (!cable.IsEnded && (count = socket.Receive(bytes)) > 0)
                {
                    isBlackHole |= IsBlackHole;
                    if (!isBlackHole)
                    {
                        Take(cable, Bytes.Slice(bytes, 0, count));
                    }
                }
            }
            catch (SocketException)
            {
                // Cut.
            }
            catch (ObjectDisposedException)
            {
                // Cut from here.
            }
            Leave(cable, socket);
        }

        private void Take(Cable cable, byte[] bytes)
        {
            lock (_gate)
            {
                _acceptor.Receive(cable, bytes);
                if (cable.Session != null)
                {
                    Echo(cable.Session);
                }
                _sockets[cable].Send(Cable.Take(cable.ToInitiator, int.MaxValue));
            }
        }

        private void Echo(AcceptorSession session)
        {
            int echoed;
            _echoed.TryGetValue(session, out echoed);
            session.Write(session.Read.GetRange(echoed, session.Read.Count - echoed).ToArray());
            _echoed[session] = session.Read.Count;
            session.Flush(int.MaxValue);
        }

        private void Leave(Cable cable, Socket socket)
        {
            lock (_gate)
            {
                _sockets.Remove(cable);
                if (cable.Session != null)
                {
                    cable.Session.Lost(cable);
                }
                socket.Close();
            }
        }
    }
}
