using System;
using System.Net;
using System.Net.Sockets;

namespace Fastway.Tests.Support
{
    /// <summary>Answers the first ping of the first client, and then says nothing more.</summary>
    internal sealed class MuteGateway : IDisposable
    {
        private const int PingFrameBytes = 9;

        private readonly TcpListener _listener = new TcpListener(IPAddress.Loopback, 0);
        private Socket _client;

        public MuteGateway()
        {
            _listener.Start();
            _listener.BeginAcceptSocket(AnswerOnce, null);
        }

        public string Address
        {
            get { return _listener.LocalEndpoint.ToString(); }
        }

        public void Dispose()
        {
            _listener.Stop();
            if (_client != null)
            {
                _client.Close();
            }
        }

        private void AnswerOnce(IAsyncResult accepted)
        {
            _client = _listener.EndAcceptSocket(accepted);
            var ping = new byte[PingFrameBytes];
            for (var got = 0; got < ping.Length;)
            {
                got += _client.Receive(ping, got, ping.Length - got, SocketFlags.None);
            }
            _client.Send(ping);
        }
    }
}
