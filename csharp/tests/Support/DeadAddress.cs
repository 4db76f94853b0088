using System;
using System.Net;
using System.Net.Sockets;

namespace Fastway.Tests.Support
{
    /// <summary>An address where nobody listens, and nobody else can meanwhile.</summary>
    internal sealed class DeadAddress : IDisposable
    {
        private readonly Socket _bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public DeadAddress()
        {
            _bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }

        public int Port
        {
            get { return ((IPEndPoint)_bound.LocalEndPoint).Port; }
        }

        public override string ToString()
        {
            return _bound.LocalEndPoint.ToString();
        }

        public void Dispose()
        {
            _bound.Close();
        }
    }
}
