using Fastway.Crypto;

namespace Fastway.Sessions.Secure
{
    /// <summary>Seals or opens the records of one direction of one transport. A nonce is taken for good before it is used,
    /// so none is used twice.</summary>
    internal sealed class RecordCipher
    {
        /// <summary>The last nonce is reserved by Noise.</summary>
        private const ulong Nonces = ulong.MaxValue;

        private readonly ChaChaPoly _cipher;
        private ulong _used;

        public RecordCipher(byte[] key)
        {
            _cipher = new ChaChaPoly(key);
            Secrets.Wipe(key);
        }

        /// <summary>Whether all nonces are used.</summary>
        public bool IsWornOut
        {
            get { return _used == Nonces; }
        }

        /// <summary>Forgets the key. It is of no use afterwards.</summary>
        public void Wipe()
        {
            _cipher.Wipe();
        }

        /// <summary>Makes a record of a plaintext that stands behind the place for its length, and returns its
        /// bytes.</summary>
        public int Seal(byte[] bytes, int offset, int plaintextBytes)
        {
            LittleEndian.Write((ushort)(plaintextBytes + ChaChaPoly.TagBytes), bytes, offset);
            _cipher.Seal(_used++, ChaChaPoly.Nothing, bytes, offset + Record.LenBytes, plaintextBytes);
            return Record.LenBytes + plaintextBytes + ChaChaPoly.TagBytes;
        }

        /// <summary>Opens a ciphertext in place; false if it was altered, or comes at another place than it was sent
        /// at.</summary>
        public bool Open(byte[] bytes, int offset, int plaintextBytes)
        {
            return _cipher.Open(_used++, ChaChaPoly.Nothing, bytes, offset, plaintextBytes);
        }
    }
}
