using System;
using System.Collections.Generic;
using Fastway.Buffers;
using Fastway.Wire;

namespace Fastway.Multiplexing
{
    /// <summary>
    /// The mux protocol (docs/protocol.md §1) of one link, without a socket or a clock: bytes of the link and the time go
    /// in, bytes for the link and events come out. It is used under the lock of its end point.
    /// </summary>
    internal sealed partial class Mux
    {
        private readonly MuxSettings _settings;
        private readonly ChunkPool _pool = new ChunkPool();
        private readonly Dictionary<uint, Channel> _channels = new Dictionary<uint, Channel>();
        private readonly Queue<Channel> _accepts = new Queue<Channel>();
        private readonly DialQueue _dials = new DialQueue();
        private readonly List<Channel> _attached = new List<Channel>();
        private readonly Unread _unread;
        private readonly byte[] _commandFrame = new byte[Command.MaxFrameBytes];
        private readonly byte[] _header = new byte[Frame.HeaderBytes];
        private int _unsentBytes;
        private bool _ended;

        public Mux(MuxSettings settings)
        {
            _settings = settings;
            _unread = new Unread(settings);
            Input = new FrameReader(_pool, settings.ReadBlockBytes, (uint)settings.MaxPacket);
            Output = new ByteQueue(_pool);
            Events = new List<MuxEvent>();
            _greeted = settings.Role == Role.Client;
            if (_greeted)
            {
                Ping();
            }
        }

        /// <summary>Where bytes of the link go, before <see cref="Process"/>.</summary>
        public FrameReader Input { get; private set; }

        /// <summary>Bytes for the link.</summary>
        public ByteQueue Output { get; private set; }

        /// <summary>What has happened; the owner empties it.</summary>
        public List<MuxEvent> Events { get; private set; }

        /// <summary>The gateway has answered, so it is one.</summary>
        public bool IsUp { get; private set; }

        /// <summary>The gateway has answered, or challenged a server.</summary>
        public bool IsGreeted
        {
            get { return IsUp || (_greeted && _settings.Role == Role.Server); }
        }

        /// <summary>A server's first word is the gateway's, and has not come.</summary>
        public bool AwaitsChallenge
        {
            get { return !_greeted; }
        }

        /// <summary>Nothing is to be read from the link, because too much waits to be received.</summary>
        public bool IsHeld
        {
            get { return _unread.HoldsLink; }
        }

        public long PingsSent { get; private set; }

        public long PingsAnswered { get; private set; }

        public int UnreadBytes
        {
            get { return _unread.Bytes; }
        }

        /// <summary>A connection waits to be accepted.</summary>
        public bool HasIncoming
        {
            get { return _accepts.Count > 0; }
        }

        /// <summary>Bytes that wait for the link are at half of their bound or below.</summary>
        public bool HasRoom
        {
            get { return Output.Count + _unsentBytes <= _settings.SendBufferBytes / 2; }
        }

        public void Ping()
        {
            Write(Command.Ping());
            PingsSent++;
        }

        /// <summary>Dials; the dial goes out when the gateway has answered for the first time.</summary>
        public Channel Dial(uint remoteId, long now)
        {
            var channel = new Channel(0, remoteId, _pool) { HandedOut = true };
            if (_ended || _dials.IsFull)
            {
                End(channel, _ended ? CloseReason.Link : CloseReason.TooManyDials);
                return channel;
            }
            _dials.Add(channel);
            if (IsUp)
            {
                WriteDial(channel, now);
            }
            return channel;
        }

        /// <summary>A channel that sends under a number which it did not get by a dial.</summary>
        public Channel Attach(uint connId, uint remoteId)
        {
            var channel = new Channel(connId, remoteId, _pool) { HandedOut = true, IsAttached = true };
            if (_ended)
            {
                End(channel, CloseReason.Link);
            }
            else
            {
                _attached.Add(channel);
            }
            return channel;
        }

        /// <summary>The connection that waits to be accepted the longest; null if there is none.</summary>
        public Channel Accept()
        {
            if (_accepts.Count == 0)
            {
                return null;
            }
            var channel = _accepts.Dequeue();
            channel.HandedOut = true;
            return channel;
        }

        public SendStatus Send(Channel channel, ArraySegment<byte> message)
        {
            if (message.Count > _settings.MaxMessage)
            {
                throw new MessageTooLongException(message.Count, _settings.MaxMessage);
            }
            if (channel.Reason != CloseReason.None)
            {
                return SendStatus.Closed;
            }
            if (channel.IsAttached && channel.ConnId == Frame.CommandConnId)
            {
                return SendStatus.Queued;
            }
            var waiting = Output.Count + _unsentBytes;
            if (waiting > 0 && waiting + Frame.HeaderBytes + message.Count > _settings.SendBufferBytes)
            {
                return SendStatus.HeldUp;
            }
            if (channel.IsDialing)
            {
                SendLater(channel, message);
            }
            else
            {
                WriteMessage(channel, message);
            }
            return SendStatus.Queued;
        }

        /// <summary>Lends the next message of a connection, until the next call for that connection.</summary>
        public bool TryReceive(Channel channel, out ArraySegment<byte> message)
        {
            var before = channel.Inbox.Bytes;
            if (!channel.Inbox.TryTake(out message))
            {
                return false;
            }
            channel.Announced = channel.Inbox.Messages > 0;
            _unread.Taken(channel, before - channel.Inbox.Bytes);
            if (channel.Inbox.Messages == 0 && channel.Reason != CloseReason.None)
            {
                Forget(channel);
            }
            return true;
        }

        /// <summary>Closes a connection behind what was sent, and drops what was not received.</summary>
        public void Close(Channel channel)
        {
            _unread.ThrownAway(channel);
            Forget(channel);
            if (channel.IsOpen)
            {
                Write(Command.Close(channel.ConnId));
            }
            _attached.Remove(channel);
            End(channel, CloseReason.Local);
        }

        /// <summary>
        /// Tells the gateway that every connection ends: the end of a legacy session is not told from a cut.
        /// </summary>
        public void CloseAll()
        {
            foreach (var entry in _channels)
            {
                if (entry.Value.IsOpen)
                {
                    Write(Command.Close(entry.Key));
                }
            }
        }

        /// <summary>Says that messages wait on a connection, if some do.</summary>
        public void Announce(Channel channel)
        {
            if (channel.Inbox.Messages > 0)
            {
                channel.Announced = true;
                Events.Add(new MuxEvent(MuxEventKind.Readable, channel));
            }
        }

        /// <summary>Gives up the dials whose time is over.</summary>
        public void Tick(long now)
        {
            foreach (var channel in _dials)
            {
                if (!IsUp || (channel.IsDialing && channel.DialDeadline > now))
                {
                    return;
                }
                End(channel, CloseReason.DialTimedOut);
            }
        }

        /// <summary>The link has ended, and with it everything on it. What came before can still be received.</summary>
        public void LinkEnded()
        {
            _ended = true;
            foreach (var entry in _channels)
            {
                End(entry.Value, CloseReason.Link);
            }
            foreach (var channel in _dials)
            {
                End(channel, CloseReason.Link);
            }
            foreach (var channel in _attached)
            {
                End(channel, CloseReason.Link);
            }
            _dials.Clear();
            _channels.Clear();
            _attached.Clear();
            Output.Clear();
        }

        private void WriteDial(Channel channel, long now)
        {
            channel.DialDeadline = now + _settings.DialTimeout;
            Write(Command.Dial(channel.RemoteId));
        }

        private void Write(Command command)
        {
            if (!_ended)
            {
                Output.Add(_commandFrame, 0, command.WriteFrame(_commandFrame, 0));
            }
        }

        private void WriteMessage(Channel channel, ArraySegment<byte> message)
        {
            Frame.WriteHeader(_header, 0, channel.ConnId, message.Count);
            Output.Add(_header, 0, _header.Length);
            Output.Add(message.Array, message.Offset, message.Count);
        }

        private void SendLater(Channel channel, ArraySegment<byte> message)
        {
            if (channel.Unsent == null)
            {
                channel.Unsent = new MessageQueue(_pool);
            }
            channel.Unsent.Add(message);
            _unsentBytes += Frame.HeaderBytes + message.Count;
        }

        private void SendUnsent(Channel channel)
        {
            if (channel.Unsent == null)
            {
                return;
            }
            _unsentBytes -= channel.Unsent.Bytes;
            ArraySegment<byte> message;
            while (channel.Unsent.TryTake(out message))
            {
                WriteMessage(channel, message);
            }
        }

        private void DropUnsent(Channel channel)
        {
            if (channel.Unsent != null)
            {
                _unsentBytes -= channel.Unsent.Bytes;
                channel.Unsent.Clear();
            }
        }

        private void End(Channel channel, CloseReason reason)
        {
            if (channel.Reason != CloseReason.None)
            {
                return;
            }
            channel.Reason = reason;
            _unread.Release(channel);
            DropUnsent(channel);
            if (channel.Inbox.Messages == 0)
            {
                Forget(channel);
            }
            Events.Add(new MuxEvent(MuxEventKind.Ended, channel));
        }

        private void Forget(Channel channel)
        {
            Channel known;
            if (!_ended && _channels.TryGetValue(channel.ConnId, out known) && known == channel)
            {
                _channels.Remove(channel.ConnId);
            }
        }
    }
}
