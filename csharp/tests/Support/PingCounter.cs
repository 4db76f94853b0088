using System;
using System.Net.Sockets;
using System.Threading;
using Fastway.Crypto;
using Fastway.Wire;

namespace Fastway.Tests.Support
{
    /// <summary>Counts the pings of one client, and answers each, unless it is told to be silent. It answers nothing else.</summary>
    internal sealed class PingCounter : IDisposable
    {
        private readonly Listener _listener;
        private volatile Socket _client;
        private volatile bool _isSilent;
        private int _pings;

        public PingCounter(bool isSilent = false)
        {
            _isSilent = isSilent;
            _listener = new Listener(AnswerAll);
        }

        public string Address
        {
            get { return _listener.Address.ToString(); }
        }

        public int Pings
        {
            get { return Volatile.Read(ref _pings); }
        }

        public void FallSilent()
        {
            _isSilent = true;
        }

        public void Dispose()
        {
            _listener.Dispose();
            if (_client != null)
            {
                _client.Close();
            }
        }

        private void AnswerAll(Socket client)
        {
            _client = client;
            try
            {
                byte[] frame;
                while ((frame = ReadFrame(client)) != null)
                {
                    if (frame[Frame.HeaderBytes] == (byte)CommandType.Ping)
                    {
                        Count(client, frame);
                    }
                }
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

        private void Count(Socket client, byte[] ping)
        {
            Interlocked.Increment(ref _pings);
            if (!_isSilent)
            {
                client.Send(ping);
            }
        }

        private static byte[] ReadFrame(Socket from)
        {
            var length = new byte[Frame.LenBytes];
            if (!Fill(from, length, 0))
            {
                return null;
            }
            var frame = Bytes.Concat(length, new byte[LittleEndian.ReadUInt32(length, 0)]);
            return Fill(from, frame, length.Length) ? frame : null;
        }

        private static bool Fill(Socket from, byte[] bytes, int at)
        {
            int count;
            while (at < bytes.Length && (count = from.Receive(bytes, at, bytes.Length - at, SocketFlags.None)) > 0)
            {
                at += count;
            }
            return at == bytes.Length;
        }
    }
}
