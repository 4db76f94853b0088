using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace Fastway.Transports
{
    /// <summary>A TCP connection that it makes itself; one address of the host after the other is tried.</summary>
    internal sealed class SocketTransport : Transport
    {
        /// <summary>How long an address may be silent while there is another one.</summary>
        private const long AddressPatience = 2000;

        /// <summary>Milliseconds for which it is read when it takes nothing more: its user may not read.</summary>
        private const long LastReads = 1000;

        private readonly Address _address;
        private IAsyncResult _lookUp;
        private IPAddress[] _found;
        private int _next;
        private Socket _socket;
        private IAsyncResult _connecting;
        private long _nextAddressAt;

        /// <summary>Why writing has failed, or null. What has arrived can still be read, such as the reason for which the other
        /// side has left: so that is no end yet.</summary>
        private Exception _writeError;
        private long? _readUntil;

        public SocketTransport(Address address)
        {
            _address = address;
            IPAddress literal;
            if (IPAddress.TryParse(address.Host, out literal))
            {
                _found = new[] { literal };
            }
        }

        /// <summary>A connection to the first of some addresses that takes one.</summary>
        public SocketTransport(IPAddress[] addresses, int port)
        {
            _address = Address.Parse("of-the-list:" + port);
            _found = addresses;
        }

        public override void Step(long now)
        {
            if (_writeError != null)
            {
                EndAfterLastReads(now);
            }
            if (IsOpen || HasEnded)
            {
                return;
            }
            try
            {
                if (_found == null)
                {
                    LookUp();
                }
                if (_found != null)
                {
                    Connect(now);
                }
            }
            catch (SocketException error)
            {
                Close(error);
            }
            catch (ArgumentException error)
            {
                // What a host cannot be called.
                Close(error);
            }
        }

        public override int Read(ArraySegment<byte> into)
        {
            if (!IsOpen)
            {
                return 0;
            }
            SocketError error;
            var count = _socket.Receive(into.Array, into.Offset, into.Count, SocketFlags.None, out error);
            if (count > 0)
            {
                return count;
            }
            if (error == SocketError.Success)
            {
                Close(_writeError);
            }
            else if (!IsTransient(error))
            {
                Close(_writeError ?? new SocketException((int)error));
            }
            return 0;
        }

        public override int Write(ArraySegment<byte> bytes)
        {
            if (!IsOpen || _writeError != null)
            {
                return 0;
            }
            SocketError error;
            var count = _socket.Send(bytes.Array, bytes.Offset, bytes.Count, SocketFlags.None, out error);
            if (error == SocketError.Success)
            {
                return count;
            }
            if (!IsTransient(error))
            {
                _writeError = new SocketException((int)error);
            }
            return 0;
        }

        public override void Wait(int milliseconds)
        {
            var readable = _socket;
            try
            {
                if (IsOpen && readable != null)
                {
                    readable.Poll(milliseconds * 1000, SelectMode.SelectRead);
                    return;
                }
            }
            catch (ObjectDisposedException)
            {
                // Closed by another thread in this moment: the next turn sees it.
                return;
            }
            catch (SocketException)
            {
                // The read that follows reports it.
                return;
            }
            Thread.Sleep(Math.Min(milliseconds, 1));
        }

        public override void Close()
        {
            Close(null);
        }

        private void LookUp()
        {
            if (_lookUp == null)
            {
                _lookUp = Dns.BeginGetHostAddresses(_address.Host, null, null);
            }
            if (_lookUp.IsCompleted)
            {
                _found = Dns.EndGetHostAddresses(_lookUp);
            }
        }

        private void Connect(long now)
        {
            if (_connecting == null)
            {
                Begin(now);
            }
            else if (_connecting.IsCompleted)
            {
                Finish(now);
            }
            else if (now >= _nextAddressAt && _next < _found.Length)
            {
                DropSocket();
                Begin(now);
            }
        }

        /// <summary>An address of a family that this machine does not have fails at once, and leaves it to the next one.</summary>
        private void Begin(long now)
        {
            if (_next == _found.Length)
            {
                throw new SocketException((int)SocketError.HostNotFound);
            }
            do
            {
                var target = _found[_next++];
                _nextAddressAt = now + AddressPatience;
                try
                {
                    _socket = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                    _connecting = _socket.BeginConnect(new IPEndPoint(target, _address.Port), null, null);
                }
                catch (SocketException) when (_next < _found.Length)
                {
                    DropSocket();
                }
            }
            while (_connecting == null);
        }

        private void Finish(long now)
        {
            try
            {
                _socket.EndConnect(_connecting);
                _socket.Blocking = false;
                _socket.NoDelay = true;
                Peer = _found[_next - 1];
                IsOpen = true;
            }
            catch (SocketException)
            {
                if (_next == _found.Length)
                {
                    throw;
                }
                DropSocket();
                Begin(now);
            }
        }

        private void EndAfterLastReads(long now)
        {
            _readUntil = _readUntil ?? now + LastReads;
            if (now >= _readUntil)
            {
                Close(_writeError);
            }
        }

        private static bool IsTransient(SocketError error)
        {
            return error == SocketError.WouldBlock || error == SocketError.Interrupted || error == SocketError.IOPending;
        }

        private void Close(Exception error)
        {
            Ended(error);
            DropSocket();
        }

        private void DropSocket()
        {
            if (_socket != null)
            {
                _socket.Close();
                _socket = null;
                _connecting = null;
            }
        }
    }
}
