using System;
using Fastway.Sessions;
using Fastway.Transports;

namespace Fastway.Links
{
    /// <summary>An attempt beside another one: a transport, and what came by it in answer to the first message.</summary>
    internal sealed class Try
    {
        /// <summary>More than a reply; what follows it is read when the session goes on by this transport.</summary>
        private const int MostReplyBytes = 2048;

        private readonly byte[] _reply = new byte[MostReplyBytes];
        private int _replyBytes;
        private int _sent;

        public Try(Transport transport, long now)
        {
            Transport = transport;
            Began = now;
        }

        /// <summary>One of which the first message is made already, and of which so much was sent and has come.</summary>
        public Try(Transport transport, long began, Connected connected, Attempt attempt, int sent, byte[] reply)
            : this(transport, began)
        {
            Connected = connected;
            Attempt = attempt;
            _sent = sent;
            _replyBytes = reply.Length;
            Buffer.BlockCopy(reply, 0, _reply, 0, reply.Length);
        }

        public Transport Transport { get; }

        /// <summary>Null until the transport is open.</summary>
        public Attempt Attempt { get; private set; }

        public long Began { get; }

        /// <summary>Null until it has a connection.</summary>
        public Connected Connected { get; private set; }

        /// <summary>The answer is a refusal.</summary>
        public bool IsRefused
        {
            get { return IsAnswered && Attempt.IsRefusedBy(_reply); }
        }

        public ArraySegment<byte> Reply
        {
            get { return new ArraySegment<byte>(_reply, 0, _replyBytes); }
        }

        public bool IsAnswered
        {
            get { return Attempt != null && Attempt.IsAnswered(_reply, _replyBytes); }
        }

        public bool HasEnded
        {
            get { return Transport.HasEnded || _replyBytes == MostReplyBytes; }
        }

        /// <summary>Goes on with connecting.</summary>
        public void Connect(long now)
        {
            Transport.Step(now);
            if (Transport.IsOpen && Connected == null)
            {
                Connected = new Connected(Transport.Peer, Began, now);
            }
        }

        public void Step(Session session, long now)
        {
            Connect(now);
            if (!Transport.IsOpen)
            {
                return;
            }
            Attempt = Attempt ?? session.ConnectBeside();
            var hello = Attempt.Hello;
            if (_sent < hello.Length)
            {
                _sent += Transport.Write(new ArraySegment<byte>(hello, _sent, hello.Length - _sent));
            }
            int count;
            while (!IsAnswered && _replyBytes < MostReplyBytes
                && (count = Transport.Read(new ArraySegment<byte>(_reply, _replyBytes, MostReplyBytes - _replyBytes))) > 0)
            {
                _replyBytes += count;
            }
        }

        public void Close()
        {
            Transport.Close();
            if (Attempt != null)
            {
                Attempt.Forget();
            }
        }
    }
}
