using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>The initiator's side of a Noise handshake, whose two messages are <c>e</c> and <c>e, ee</c>: NN; NK, which
    /// has <c>es</c> in the first message; and NNpsk0, which begins with <c>psk</c>.</summary>
    internal sealed class Handshake
    {
        private readonly Noise _noise;
        private readonly byte[] _ephemeral;
        private readonly byte[] _responderKey;
        private readonly bool _hasSecret;

        private Handshake(Noise noise, byte[] ephemeral, byte[] responderKey, bool hasSecret)
        {
            _noise = noise;
            _ephemeral = ephemeral;
            _responderKey = responderKey;
            _hasSecret = hasSecret;
        }

        /// <summary>The responder proves nothing, or, if its public key is given, that it has the private one.</summary>
        public static Handshake Open(byte[] responderKey, byte[] prologue, byte[] ephemeral)
        {
            var noise = new Noise(responderKey == null ? Noise.Nn : Noise.Nk, prologue);
            if (responderKey != null)
            {
                noise.MixHash(responderKey);
            }
            return new Handshake(noise, ephemeral, responderKey, false);
        }

        /// <summary>Both prove that they have the secret.</summary>
        public static Handshake Resume(byte[] secret, byte[] prologue, byte[] ephemeral)
        {
            var noise = new Noise(Noise.NnPsk0, prologue);
            noise.MixKeyAndHash(secret);
            return new Handshake(noise, ephemeral, null, true);
        }

        /// <summary>The first message; null if the responder's key is none.</summary>
        public byte[] Write(byte[] payload)
        {
            var ephemeral = X25519.PublicKey(_ephemeral);
            MixEphemeral(ephemeral);
            if (_responderKey != null && !MixShared(_responderKey))
            {
                return null;
            }
            return Bytes.Concat(ephemeral, _noise.EncryptAndHash(payload));
        }

        /// <summary>The payload of the second message; null if that is not authentic.</summary>
        public byte[] Read(byte[] message)
        {
            if (message.Length < X25519.KeyBytes)
            {
                return null;
            }
            var ephemeral = Bytes.Slice(message, 0, X25519.KeyBytes);
            MixEphemeral(ephemeral);
            var agreed = MixShared(ephemeral);
            return agreed ? _noise.DecryptAndHash(Bytes.Slice(message, X25519.KeyBytes)) : null;
        }

        /// <summary>The keys of the records that this end sends, and of those that it receives.</summary>
        public byte[][] Split()
        {
            return _noise.Split();
        }

        /// <summary>Forgets all that the handshake knew, whether it was finished or not. It is of no use afterwards.</summary>
        public void Wipe()
        {
            Secrets.Wipe(_ephemeral);
            _noise.Wipe();
        }

        private void MixEphemeral(byte[] key)
        {
            _noise.MixHash(key);
            if (_hasSecret)
            {
                _noise.MixKey(key);
            }
        }

        private bool MixShared(byte[] key)
        {
            var shared = X25519.Agree(_ephemeral, key);
            if (shared == null)
            {
                return false;
            }
            _noise.MixKey(shared);
            Secrets.Wipe(shared);
            return true;
        }
    }
}
