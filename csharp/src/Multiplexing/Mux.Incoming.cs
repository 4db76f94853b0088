using Fastway.Sessions;
using Fastway.Wire;

namespace Fastway.Multiplexing
{
    // What the gateway sends.
    internal sealed partial class Mux
    {
        /// <summary>What may wait for a gateway beyond what users send.</summary>
        private const int MostAnswerBytes = 1 << 20;

        /// <summary>The gateway's challenge was answered, or none is to come.</summary>
        private bool _greeted;

        /// <summary>
        /// Does what the bytes in <see cref="Input"/> say, as far as they are whole, and until the link is held. The result
        /// is null, or what is wrong with them: then the link must end.
        /// </summary>
        public string Process(long now)
        {
            if (!_greeted && !AnswerChallenge())
            {
                return null;
            }
            while (!IsHeld)
            {
                Frame frame;
                switch (Input.Next(out frame))
                {
                    case FrameStatus.Incomplete:
                        return null;
                    case FrameStatus.TooShort:
                        return "a frame without a ConnID";
                    case FrameStatus.TooLong:
                        return "a frame longer than MaxPacket";
                }
                var fault = frame.ConnId == Frame.CommandConnId ? Obey(frame, now) : Deliver(frame);
                fault = fault ?? TooMuchToAnswer();
                if (fault != null)
                {
                    return fault;
                }
            }
            return null;
        }

        /// <summary>What it sends makes this side answer, and it does not take the answers.</summary>
        private string TooMuchToAnswer()
        {
            var isTooMuch = Output.Count > _settings.SendBufferBytes + _settings.MaxPacket + MostAnswerBytes;
            return isTooMuch ? "more that has to be answered than it takes answers" : null;
        }

        /// <summary>
        /// Whether all that came is the status with which a port for sessions answers a plain link (docs/protocol.md §3.6).
        /// </summary>
        public bool TakeRefusal()
        {
            var status = new byte[1];
            return Input.Waiting == status.Length && Input.TryTake(status) && status[0] == Status.NotAdmitted;
        }

        private bool AnswerChallenge()
        {
            var challenge = new byte[ServerProof.ChallengeBytes];
            if (!Input.TryTake(challenge))
            {
                return false;
            }
            var response = ServerProof.Respond(challenge, _settings.AuthKey, _settings.ServerId);
            Output.Add(response, 0, response.Length);
            _greeted = true;
            Ping();
            return true;
        }

        private string Obey(Frame frame, long now)
        {
            Command command;
            if (Command.Parse(frame.Payload, out command) != CommandFault.None)
            {
                return "a malformed command";
            }
            switch (command.Type)
            {
                case CommandType.Accept:
                    return Accepted(command);
                case CommandType.Connect:
                    return Connected(command);
                case CommandType.Refuse:
                    return Refused(command);
                case CommandType.Close:
                    Closed(command.ConnId);
                    return null;
                case CommandType.Ping:
                    return Answered(now);
                default:
                    return "a Dial, which only ends send";
            }
        }

        private string Answered(long now)
        {
            if (++PingsAnswered > PingsSent)
            {
                return "an answer without a ping";
            }
            if (!IsUp)
            {
                GoUp(now);
            }
            return null;
        }

        private void GoUp(long now)
        {
            IsUp = true;
            Events.Add(new MuxEvent(MuxEventKind.Up, null));
            foreach (var channel in _dials)
            {
                // One that was given up meanwhile is dialed, too, since its place in the order is taken; it is closed then.
                WriteDial(channel, now);
            }
        }

        private string Accepted(Command command)
        {
            var channel = _dials.Answered(command.RemoteId);
            if (channel == null)
            {
                return "an Accept for a dial that was not made";
            }
            if (channel.Reason != CloseReason.None)
            {
                Write(Command.Close(command.ConnId));
                return null;
            }
            var fault = Register(channel, command.ConnId);
            if (fault != null)
            {
                // It is neither among the dials nor among the connections any more.
                End(channel, CloseReason.Link);
                return fault;
            }
            Events.Add(new MuxEvent(MuxEventKind.Opened, channel));
            SendUnsent(channel);
            return null;
        }

        private string Connected(Command command)
        {
            if (_accepts.Count >= _settings.PendingAccepts)
            {
                Write(Command.Close(command.ConnId));
                return null;
            }
            var channel = new Channel(0, command.RemoteId, _pool);
            var fault = Register(channel, command.ConnId);
            if (fault == null)
            {
                _accepts.Enqueue(channel);
                Events.Add(new MuxEvent(MuxEventKind.Incoming, channel));
            }
            return fault;
        }

        private string Refused(Command command)
        {
            var channel = _dials.Answered(command.RemoteId);
            if (channel == null)
            {
                return "a Refuse for a dial that was not made";
            }
            End(channel, CloseReason.Refused);
            return null;
        }

        private string Register(Channel channel, uint connId)
        {
            Channel known;
            if (connId == Frame.CommandConnId || (_channels.TryGetValue(connId, out known) && known.IsOpen))
            {
                return "a ConnID that cannot be new";
            }
            channel.ConnId = connId;
            _channels[connId] = channel;
            return null;
        }

        private void Closed(uint connId)
        {
            Channel channel;
            if (_channels.TryGetValue(connId, out channel))
            {
                End(channel, CloseReason.Remote);
            }
        }

        // Data for a connection that was just closed here may still come; it is dropped.
        private string Deliver(Frame frame)
        {
            Channel channel;
            if (!_channels.TryGetValue(frame.ConnId, out channel) || !channel.IsOpen)
            {
                return null;
            }
            if (_unread.Overflows(channel))
            {
                Overflow(channel);
                return null;
            }
            channel.Inbox.Add(frame.Payload);
            _unread.Added(channel, Frame.HeaderBytes + frame.Payload.Count);
            if (!channel.Announced)
            {
                Announce(channel);
            }
            if (_unread.IsOver)
            {
                KeepBelowTotal();
            }
            return null;
        }

        private void KeepBelowTotal()
        {
            while (_unread.IsOver)
            {
                var loser = _unread.LargestToLose(_channels);
                if (loser == null)
                {
                    _unread.HoldAll();
                    return;
                }
                _unread.ThrownAway(loser);
                if (loser.IsOpen)
                {
                    Overflow(loser);
                }
                else
                {
                    loser.Reason = CloseReason.QueueFull;
                    Forget(loser);
                }
            }
        }

        private void Overflow(Channel channel)
        {
            Write(Command.Close(channel.ConnId));
            End(channel, CloseReason.QueueFull);
        }
    }
}
