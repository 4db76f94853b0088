using System;
using System.Net;
using System.Net.Sockets;
using Fastway.Crypto;
using Fastway.Tests.Sessions.Acceptors;
using Fastway.Transports;

namespace Fastway.Tests.Links
{
    /// <summary>A transport in memory, to an acceptor or to something else that a test says.</summary>
    internal sealed class ScriptedTransport : Transport
    {
        private readonly Acceptor _acceptor;
        private readonly byte[] _words;
        private readonly bool _isDead;
        private readonly bool _closes;
        private IPAddress _address;

        private ScriptedTransport(Acceptor acceptor, byte[] words, bool isDead, bool closes)
        {
            _acceptor = acceptor;
            _words = words;
            _isDead = isDead;
            _closes = closes;
        }

        public Cable Cable { get; } = new Cable();

        /// <summary>Nobody listens.</summary>
        public static ScriptedTransport Dead()
        {
            return new ScriptedTransport(null, null, true, false);
        }

        /// <summary>Nothing comes back.</summary>
        public static ScriptedTransport Lost()
        {
            return new ScriptedTransport(null, null, false, false) { IsLost = true };
        }

        /// <summary>An acceptor of sessions listens.</summary>
        public static ScriptedTransport To(Acceptor acceptor)
        {
            return new ScriptedTransport(acceptor, null, false, false);
        }

        /// <summary>Somebody else listens, whose answer to anything is this; then it closes.</summary>
        public static ScriptedTransport Saying(params byte[] words)
        {
            return new ScriptedTransport(null, words, false, true);
        }

        /// <summary>Somebody else listens, whose answer to anything is this; then it waits for more.</summary>
        public static ScriptedTransport Waiting(params byte[] words)
        {
            return new ScriptedTransport(null, words, false, false);
        }

        /// <summary>It gets no connection, for now.</summary>
        public bool IsLost { get; set; }

        /// <summary>What it says is not to be read yet.</summary>
        public bool IsHeld { get; set; }

        /// <summary>Its other end has this address.</summary>
        public ScriptedTransport At(string address)
        {
            _address = IPAddress.Parse(address);
            return this;
        }

        public void Cut()
        {
            Ended(null);
        }

        public override void Step(long now)
        {
            if (_isDead)
            {
                Ended(new SocketException((int)SocketError.ConnectionRefused));
            }
            else if (!HasEnded && !IsLost)
            {
                IsOpen = true;
                Peer = _address;
            }
        }

        public override int Read(ArraySegment<byte> into)
        {
            if (!IsOpen || IsHeld)
            {
                return 0;
            }
            if (Cable.Session != null)
            {
                Cable.Session.Flush(int.MaxValue);
            }
            var bytes = Cable.Take(Cable.ToInitiator, into.Count);
            Buffer.BlockCopy(bytes, 0, into.Array, into.Offset, bytes.Length);
            if (bytes.Length == 0 && Cable.IsEnded)
            {
                Ended(null);
            }
            return bytes.Length;
        }

        public override int Write(ArraySegment<byte> bytes)
        {
            if (!IsOpen)
            {
                return 0;
            }
            if (_acceptor != null)
            {
                _acceptor.Receive(Cable, Bytes.Slice(bytes.Array, bytes.Offset, bytes.Count));
            }
            else
            {
                Cable.Reply(_words);
                Cable.IsEnded = _closes;
            }
            return bytes.Count;
        }

        public override void Wait(int milliseconds)
        {
        }

        public override void Close()
        {
            Ended(null);
        }
    }
}
