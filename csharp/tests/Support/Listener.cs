using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace Fastway.Tests.Support
{
    /// <summary>Hands over what connects to a free port, on a thread of its own, until it is disposed of.</summary>
    internal sealed class Listener : IDisposable
    {
        private readonly Socket _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly Action<Socket> _take;

        public Listener(Action<Socket> take)
        {
            _take = take;
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _socket.Listen(100);
            Address = (IPEndPoint)_socket.LocalEndPoint;
            new Thread(AcceptOn) { IsBackground = true, Name = "listener" }.Start();
        }

        public IPEndPoint Address { get; private set; }

        public void Dispose()
        {
            _socket.Close();
        }

        private void AcceptOn()
        {
            for (;;)
            {
                Socket accepted;
                try
                {
                    accepted = _socket.Accept();
                }
                catch (SocketException)
                {
                    // It was closed while this waited.
                    return;
                }
                catch (ObjectDisposedException)
                {
                    return;
                }
                _take(accepted);
            }
        }
    }
}
