using System;
using System.Collections.Generic;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Tests.Sessions.Acceptors;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>An initiator, an acceptor, and the cables between them: all in memory, moved by a script.</summary>
    internal sealed class World
    {
        public const int ReplayBytes = 64 * 1024;
        public const int WaitSeconds = 60;

        /// <summary>Longest that <see cref="Settle"/> may take, in rounds.</summary>
        private const int Rounds = 400;

        private readonly bool _isLegacy;
        private readonly byte[] _sending = new byte[4 * Session.MinSendBytes];
        private readonly HashSet<Cable> _cut = new HashSet<Cable>();
        /// <summary>The initiator's cable, as far as it knows.</summary>
        private Cable _cable;
        private SessionEventKind _last;
        private int _acceptorWritten;
        private bool _acceptorClosed;
        private bool _peerClosed;

        private World(Session initiator, Acceptor acceptor, bool isLegacy)
        {
            Initiator = initiator;
            Acceptor = acceptor;
            _isLegacy = isLegacy;
        }

        public Session Initiator { get; }

        public Acceptor Acceptor { get; }

        public List<Cable> Cables { get; } = new List<Cable>();

        public List<SessionEvent> Events { get; } = new List<SessionEvent>();

        public long Now { get; private set; }

        public int Written { get; private set; }

        public int Read { get; private set; }

        public static World Secure(RandomSource random, bool pinned)
        {
            var key = random.Draw(X25519.KeyBytes);
            var session = Session.Secure(
                pinned ? X25519.PublicKey(key) : null, ReplayBytes, 1000 * WaitSeconds, 0, random);
            return new World(session, new SecureAcceptor(key, random, WaitSeconds), false);
        }

        public static World Legacy(RandomSource random, bool encrypt)
        {
            var session = Session.Legacy(encrypt, 1 << 20, 1000 * WaitSeconds, 0, random);
            return new World(session, new LegacyAcceptor(encrypt, random), true);
        }

        /// <summary>The initiator has a new cable, and does not read the older one any more.</summary>
        public Cable Connect()
        {
            if (Initiator.End != null)
            {
                return null;
            }
            var hello = Initiator.ConnectBytes(Now);
            _cable = new Cable();
            Cables.Add(_cable);
            _cable.ToAcceptor.Push(hello, 0, hello.Length);
            Act();
            return _cable;
        }

        public void Write(int bytes)
        {
            if (!Initiator.IsClosed)
            {
                Written += Initiator.Write(Stream(3, Written, bytes), 0, bytes);
            }
        }

        public void WriteAtAcceptor(int bytes)
        {
            var session = Acceptor.Established;
            if (session != null && !_acceptorClosed)
            {
                _acceptorWritten += session.Write(Stream(7, _acceptorWritten, bytes));
            }
        }

        public void Close()
        {
            Initiator.Close();
        }

        public void CloseAtAcceptor()
        {
            if (Acceptor.Established != null)
            {
                _acceptorClosed = true;
                Acceptor.Established.Close();
            }
        }

        /// <summary>Both ends put what they have to send on their cables, about so many bytes.</summary>
        public void Flush(int room)
        {
            for (var sent = 0; sent < room && Initiator.HasOutput(Now);)
            {
                var count = Math.Max(Session.MinSendBytes, Math.Min(room - sent, _sending.Length));
                var bytes = Initiator.Send(_sending, 0, count, Now);
                Assert.LessOrEqual(bytes, count);
                Act();
                if (bytes == 0)
                {
                    break;
                }
                sent += bytes;
                if (_cable != null)
                {
                    _cable.ToAcceptor.Push(_sending, 0, bytes);
                }
            }
            foreach (var session in Acceptor.Sessions)
            {
                session.Flush(room);
            }
            DropWhatIsCut();
        }

        public void DeliverToAcceptor(Cable cable, int most)
        {
            Acceptor.Receive(cable, Cable.Take(cable.ToAcceptor, most));
        }

        public void DeliverToInitiator(Cable cable, int most)
        {
            var bytes = Cable.Take(cable.ToInitiator, most);
            if (cable != _cable)
            {
                return;
            }
            Fault fault;
            Check(Initiator.ReceiveAll(bytes, Now, out fault));
            Act();
            if (fault != Fault.None)
            {
                Leave(cable);
            }
            else if (cable.IsEnded && cable.ToInitiator.Count == 0)
            {
                Cut(cable, true);
            }
        }

        public void DeliverAll()
        {
            Flush(int.MaxValue);
            foreach (var cable in Cables)
            {
                DeliverToAcceptor(cable, int.MaxValue);
                DeliverToInitiator(cable, int.MaxValue);
            }
        }

        /// <summary>Nothing is carried any more. If it is noticed, both ends learn of it.</summary>
        public void Cut(Cable cable, bool noticed)
        {
            _cut.Add(cable);
            DropWhatIsCut();
            if (!noticed)
            {
                return;
            }
            if (cable.Session != null)
            {
                cable.Session.Lost(cable);
            }
            if (cable == _cable)
            {
                _cable = null;
                Initiator.TransportLost(Now);
                Act();
            }
        }

        public void Pass(int millis)
        {
            Now += millis;
            Initiator.Tick(Now);
            Act();
        }

        /// <summary>The network heals and both ends close: all that was written arrives, or the initiator says why
        /// not.</summary>
        public void Settle()
        {
            foreach (var cable in Cables)
            {
                Cut(cable, true);
            }
            for (var round = 0; round < Rounds; round++)
            {
                if (!Initiator.IsLive && Initiator.End == null && round % 4 == 0)
                {
                    Connect();
                }
                CloseBoth();
                DeliverAll();
                Pass(50);
                if (Initiator.End != null || _isLegacy && HasAll())
                {
                    DeliverAll();
                    Judge();
                    return;
                }
            }
            Assert.Fail("The initiator hangs; received {0} of {1}.", Read, _acceptorWritten);
        }

        private void CloseBoth()
        {
            if (!_isLegacy && Acceptor.Established != null)
            {
                Close();
                CloseAtAcceptor();
            }
        }

        private bool HasAll()
        {
            var session = Acceptor.Established;
            return session != null && session.Read.Count == Written && Read == _acceptorWritten;
        }

        private void Judge()
        {
            var session = Acceptor.Established;
            if (session != null)
            {
                Assert.IsNull(session.Fault);
                CheckStream(3, 0, session.Read.ToArray());
            }
            if (Initiator.End != null && Initiator.End.Kind == SessionEndKind.Expired)
            {
                Assert.GreaterOrEqual(Now, 1000 * WaitSeconds);
                return;
            }
            Assert.IsTrue(_isLegacy || Initiator.End.Kind == SessionEndKind.Closed, "{0}", Initiator.End);
            Assert.IsTrue(_isLegacy || _peerClosed && session.PeerClosed);
            Assert.IsTrue(HasAll(), "all of it arrived");
        }

        /// <summary>The initiator closes the cable; what it still has to say comes before that.</summary>
        private void Leave(Cable cable)
        {
            Flush(int.MaxValue);
            DeliverToAcceptor(cable, int.MaxValue);
            Cut(cable, true);
        }

        private void DropWhatIsCut()
        {
            foreach (var cable in _cut)
            {
                cable.ToAcceptor.Release(cable.ToAcceptor.Count);
                cable.ToInitiator.Release(cable.ToInitiator.Count);
            }
        }

        private void Check(byte[] read)
        {
            CheckStream(7, Read, read);
            Assert.IsTrue(read.Length == 0 || !_peerClosed, "nothing follows a close");
            Read += read.Length;
        }

        private void Act()
        {
            SessionEvent happened;
            while (Initiator.PollEvent(out happened))
            {
                if (Events.Count > 0)
                {
                    Assert.AreNotEqual(SessionEventKind.Ended, _last, "the end comes last");
                }
                _last = happened.Kind;
                _peerClosed |= happened.Kind == SessionEventKind.PeerClosed;
                Events.Add(happened);
            }
            Assert.LessOrEqual(Initiator.Kept, _isLegacy ? 1 << 20 : ReplayBytes);
        }

        private static void CheckStream(uint salt, int from, byte[] bytes)
        {
            for (var i = 0; i < bytes.Length; i++)
            {
                if (bytes[i] != ByteAt(salt, from + i))
                {
                    Assert.Fail("Byte {0} is wrong.", from + i);
                }
            }
        }

        private static byte[] Stream(uint salt, int from, int count)
        {
            var bytes = new byte[count];
            for (var i = 0; i < count; i++)
            {
                bytes[i] = ByteAt(salt, from + i);
            }
            return bytes;
        }

        /// <summary>Every byte of a stream is known beforehand.</summary>
        private static byte ByteAt(uint salt, int at)
        {
            return (byte)(((uint)at * 2654435761 + salt) >> 13);
        }
    }
}
