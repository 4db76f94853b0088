using System.Text;
using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>The symmetric state of a Noise handshake (revision 34, §5.2) with ChaChaPoly and SHA256: what both ends
    /// have hashed and mixed so far.</summary>
    internal sealed class Noise
    {
        public const string Nn = "Noise_NN_25519_ChaChaPoly_SHA256";
        public const string Nk = "Noise_NK_25519_ChaChaPoly_SHA256";
        public const string NnPsk0 = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

        private static readonly byte[] Nothing = new byte[0];

        private byte[] _hash;
        private byte[] _chainingKey;
        private ChaChaPoly _cipher;
        private ulong _nonce;

        public Noise(string name, byte[] prologue)
        {
            var bytes = Encoding.ASCII.GetBytes(name);
            _hash = bytes.Length == Sha256.HashBytes ? bytes : Sha256.Hash(bytes);
            _chainingKey = (byte[])_hash.Clone();
            MixHash(prologue);
        }

        public void MixHash(byte[] bytes)
        {
            _hash = new Sha256().Update(_hash).Update(bytes).Finish();
        }

        public void MixKey(byte[] material)
        {
            var keys = Hkdf.Keys(_chainingKey, material, 2);
            Chain(keys[0]);
            Use(keys[1]);
        }

        public void MixKeyAndHash(byte[] material)
        {
            var keys = Hkdf.Keys(_chainingKey, material, 3);
            Chain(keys[0]);
            MixHash(keys[1]);
            Secrets.Wipe(keys[1]);
            Use(keys[2]);
        }

        /// <summary>The payload as it is sent: encrypted as soon as there is a key.</summary>
        public byte[] EncryptAndHash(byte[] payload)
        {
            var sealedPayload = payload;
            if (_cipher != null)
            {
                sealedPayload = new byte[payload.Length + ChaChaPoly.TagBytes];
                payload.CopyTo(sealedPayload, 0);
                _cipher.Seal(_nonce++, _hash, sealedPayload, 0, payload.Length);
            }
            MixHash(sealedPayload);
            return sealedPayload;
        }

        /// <summary>The payload of what was received; null if that is not authentic.</summary>
        public byte[] DecryptAndHash(byte[] received)
        {
            var payload = received;
            if (_cipher != null)
            {
                payload = Open(received);
            }
            MixHash(received);
            return payload;
        }

        /// <summary>The keys of the initiator's records, and of the responder's.</summary>
        public byte[][] Split()
        {
            return Hkdf.Keys(_chainingKey, Nothing, 2);
        }

        /// <summary>Forgets all that was mixed. It is of no use afterwards.</summary>
        public void Wipe()
        {
            Secrets.Wipe(_chainingKey);
            if (_cipher != null)
            {
                _cipher.Wipe();
            }
        }

        private byte[] Open(byte[] received)
        {
            var count = received.Length - ChaChaPoly.TagBytes;
            var bytes = (byte[])received.Clone();
            if (count < 0 || !_cipher.Open(_nonce++, _hash, bytes, 0, count))
            {
                return null;
            }
            var payload = Bytes.Slice(bytes, 0, count);
            Secrets.Wipe(bytes);
            return payload;
        }

        private void Chain(byte[] key)
        {
            Secrets.Wipe(_chainingKey);
            _chainingKey = key;
        }

        private void Use(byte[] key)
        {
            if (_cipher != null)
            {
                _cipher.Wipe();
            }
            _cipher = new ChaChaPoly(key);
            _nonce = 0;
            Secrets.Wipe(key);
        }
    }
}
