using System;
using System.Net.Sockets;
using Fastway.Crypto;

namespace Fastway.Tests.Support
{
    /// <summary>Answers the first ping of a client, and then says nothing more.</summary>
    internal sealed class SilentGateway : IDisposable
    {
        private const int PingFrameBytes = 9;

        private readonly Listener _listener;
        private volatile Socket _client;

        public SilentGateway()
        {
            _listener = new Listener(AnswerOnce);
        }

        public string Address
        {
            get { return _listener.Address.ToString(); }
        }

        public void Dispose()
        {
            _listener.Dispose();
            if (_client != null)
            {
                _client.Close();
            }
        }

        private void AnswerOnce(Socket client)
        {
            _client = client;
            try
            {
                var ping = new byte[PingFrameBytes];
                var got = 0;
                int count;
                while (got < ping.Length && (count = client.Receive(ping, got, ping.Length - got, SocketFlags.None)) > 0)
                {
                    got += count;
                }
                client.Send(Bytes.Slice(ping, 0, got));
            }
            catch (SocketException)
            {
                // The test is over.
            }
            catch (ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
