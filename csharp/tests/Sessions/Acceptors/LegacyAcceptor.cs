using System.Linq;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Legacy;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The other end of legacy sessions.</summary>
    internal sealed class LegacyAcceptor : Acceptor
    {
        private readonly bool _encrypt;
        private readonly RandomSource _random;

        public LegacyAcceptor(bool encrypt, RandomSource random)
        {
            _encrypt = encrypt;
            _random = random;
        }

        /// <summary>Whether reconnects are refused.</summary>
        public bool Refuses { get; set; }

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
                AnswerReconnect(cable, hello);
            }
            else
            {
                AnswerNew(cable, LittleEndian.ReadUInt64(hello.Head, 1));
            }
        }

        private void AnswerNew(Cable cable, ulong publicKey)
        {
            var pair = new DiffieHellman64(_random);
            var secret = pair.Agree(publicKey);
            if (secret == null)
            {
                cable.End();
                return;
            }
            var challenge = _random.Draw(8);
            var session = new LegacyAcceptorSession(LegacyMessages.Number(secret.Value), _random.Draw(8), _encrypt);
            cable.Reply(Bytes.Concat(LegacyMessages.Number(pair.Public), session.SealedId(), challenge));
            session.Try(cable, challenge, 0);
            Sessions.Add(session);
        }

        private void AnswerReconnect(Cable cable, Hello hello)
        {
            var session = (LegacyAcceptorSession)Sessions.Find(
                one => ((LegacyAcceptorSession)one).Id.SequenceEqual(hello.Session));
            if (session == null || Refuses || !session.IsAuthentic(hello))
            {
                cable.End(new byte[LegacyMessages.ReplyBytes]);
                return;
            }
            var challenge = _random.Draw(8);
            cable.Reply(Bytes.Concat(
                LegacyMessages.Number((ulong)session.Written), LegacyMessages.Number((ulong)session.Read.Count), challenge));
            session.Try(cable, challenge, LittleEndian.ReadUInt64(hello.Head, 17));
        }
    }
}
