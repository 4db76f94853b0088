using Fastway.Crypto;
using Fastway.Sessions.Secure;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>The responder's side of the Noise handshakes, for acceptors in tests.</summary>
    internal sealed class Responder
    {
        private readonly Noise _noise;
        private readonly bool _hasSecret;
        private readonly byte[] _static;
        private readonly byte[] _ephemeral;
        private byte[] _initiators;

        /// <summary>A secret makes it NNpsk0, a static key NK, none of them NN.</summary>
        public Responder(byte[] secret, byte[] staticKey, byte[] prologue, byte[] ephemeral)
        {
            _noise = new Noise(secret != null ? Noise.NnPsk0 : staticKey != null ? Noise.Nk : Noise.Nn, prologue);
            _hasSecret = secret != null;
            _static = staticKey;
            _ephemeral = ephemeral;
            if (staticKey != null)
            {
                _noise.MixHash(X25519.PublicKey(staticKey));
            }
            if (secret != null)
            {
                _noise.MixKeyAndHash(secret);
            }
        }

        /// <summary>The payload of the first message; null if that is not authentic.</summary>
        public byte[] Read(byte[] message)
        {
            if (message.Length < X25519.KeyBytes)
            {
                return null;
            }
            _initiators = Bytes.Slice(message, 0, X25519.KeyBytes);
            MixEphemeral(_initiators);
            if (_static != null && !MixShared(_static))
            {
                return null;
            }
            return _noise.DecryptAndHash(Bytes.Slice(message, X25519.KeyBytes));
        }

        /// <summary>The second message; null if the initiator's key is none.</summary>
        public byte[] Write(byte[] payload)
        {
            var ephemeral = X25519.PublicKey(_ephemeral);
            MixEphemeral(ephemeral);
            return MixShared(_ephemeral) ? Bytes.Concat(ephemeral, _noise.EncryptAndHash(payload)) : null;
        }

        /// <summary>The keys of the initiator's records, and of the responder's.</summary>
        public byte[][] Split()
        {
            return _noise.Split();
        }

        private void MixEphemeral(byte[] key)
        {
            _noise.MixHash(key);
            if (_hasSecret)
            {
                _noise.MixKey(key);
            }
        }

        private bool MixShared(byte[] privateKey)
        {
            var shared = X25519.Agree(privateKey, _initiators);
            if (shared != null)
            {
                _noise.MixKey(shared);
            }
            return shared != null;
        }
    }
}
