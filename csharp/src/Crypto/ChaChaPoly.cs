namespace Fastway.Crypto
{
    /// <summary>Authenticated encryption, ChaCha20-Poly1305 (RFC 8439 §2.8), with one key and with nonces as Noise has
    /// them. It allocates nothing but itself.</summary>
    internal sealed class ChaChaPoly
    {
        /// <summary>Bytes of a key.</summary>
        public const int KeyBytes = ChaCha20.KeyBytes;
        /// <summary>Bytes of a tag, which follows the ciphertext.</summary>
        public const int TagBytes = Poly1305.TagBytes;

        /// <summary>No associated data.</summary>
        public static readonly byte[] Nothing = new byte[0];

        private readonly ChaCha20 _cipher;
        private readonly Poly1305 _authenticator = new Poly1305();
        private readonly uint[] _oneTimeKey = new uint[Poly1305.KeyWords];
        private readonly byte[] _tag = new byte[TagBytes];

        public ChaChaPoly(byte[] key)
        {
            _cipher = new ChaCha20(key);
        }

        /// <summary>Encrypts in place and writes the tag behind it. No nonce may be used twice.</summary>
        public void Seal(ulong nonce, byte[] associated, byte[] bytes, int offset, int count)
        {
            Begin(nonce);
            _cipher.Apply(bytes, offset, count);
            Authenticate(associated, bytes, offset, count);
            _authenticator.Finish(bytes, offset + count);
        }

        /// <summary>Decrypts in place, if the tag that follows the ciphertext is right; else changes nothing.</summary>
        public bool Open(ulong nonce, byte[] associated, byte[] bytes, int offset, int count)
        {
            Begin(nonce);
            Authenticate(associated, bytes, offset, count);
            _authenticator.Finish(_tag, 0);
            if (!ConstantTime.AreEqual(_tag, 0, bytes, offset + count, TagBytes))
            {
                return false;
            }
            _cipher.Apply(bytes, offset, count);
            return true;
        }

        /// <summary>Forgets the key. It is of no use afterwards.</summary>
        public void Wipe()
        {
            _cipher.Wipe();
            _authenticator.Wipe();
            Secrets.Wipe(_oneTimeKey, _tag);
        }

        private void Begin(ulong nonce)
        {
            _cipher.Seek(0, nonce, 0);
            _cipher.TakeKey(_oneTimeKey);
            _authenticator.Start(_oneTimeKey);
        }

        private void Authenticate(byte[] associated, byte[] bytes, int offset, int count)
        {
            _authenticator.Absorb(associated, 0, associated.Length);
            _authenticator.Absorb(bytes, offset, count);
            _authenticator.AbsorbLengths(associated.Length, count);
        }
    }
}
