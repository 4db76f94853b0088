using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Secure;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of secure sessions.</summary>
    internal sealed class SecureAcceptor : Acceptor
    {
        private readonly byte[] _privateKey;
        private readonly RandomSource _random;
        private readonly uint _waitSeconds;

        public SecureAcceptor(byte[] privateKey, RandomSource random, uint waitSeconds)
        {
            _privateKey = privateKey;
            _random = random;
            _waitSeconds = waitSeconds;
        }

        /// <summary>Every resume is refused with it, unless it is 0.</summary>
        public byte Refusal { get; set; }

        /// <summary>Follows the refusal.</summary>
        public byte[] RefusalTail { get; set; } = new byte[0];

        protected override void Greet(Cable cable)
        {
            var hello = Hello.Read(cable.Unfinished);
            if (hello == null)
            {
                return;
            }
            cable.Unfinished = new byte[0];
            if (hello.IsResume)
            {
                AnswerResume(cable, hello);
            }
            else
            {
                AnswerOpen(cable, hello);
            }
        }

        private void AnswerOpen(Cable cable, Hello hello)
        {
            var responder = new Responder(
                null, hello.Pattern == 1 ? _privateKey : null, Messages.Prologue(hello.Head), _random.Draw(32));
            if (responder.Read(hello.Message) == null)
            {
                cable.End(3);
                return;
            }
            var session = new SecureAcceptorSession(_random);
            var wait = new byte[4];
            LittleEndian.Write(_waitSeconds, wait, 0);
            cable.Reply(Reply(responder.Write(Bytes.Concat(session.Ticket, wait))));
            session.Try(cable, responder.Split(), 0, 0);
            Sessions.Add(session);
        }

        private void AnswerResume(Cable cable, Hello hello)
        {
            var session = (SecureAcceptorSession)Sessions.Find(
                one => ((SecureAcceptorSession)one).SecretOf(hello.Session) != null);
            if (session == null || Refusal != 0)
            {
                cable.End(Bytes.Concat(new[] { Refusal != 0 ? Refusal : Status.Unknown }, RefusalTail));
                return;
            }
            var responder = new Responder(
                session.SecretOf(hello.Session), null, Messages.Prologue(hello.Head), _random.Draw(32));
            var payload = responder.Read(hello.Message);
            if (payload == null || hello.Attempt <= session.Attempt)
            {
                cable.End(payload == null ? (byte)3 : Status.StaleAttempt);
                return;
            }
            session.Attempt = hello.Attempt;
            var next = session.Next(hello.Session);
            cable.Reply(Reply(responder.Write(Bytes.Concat(next, Messages.Count((ulong)session.Received)))));
            session.Try(cable, responder.Split(), LittleEndian.ReadUInt64(payload, 0), hello.Attempt);
        }

        private static byte[] Reply(byte[] message)
        {
            var head = new byte[Messages.ReplyHeadBytes];
            LittleEndian.Write((ushort)message.Length, head, 1);
            return Bytes.Concat(head, message);
        }
    }
}
