namespace Fastway.Crypto
{
    /// <summary>One direction's state of the stream cipher RC4: no obstacle to anybody in earnest, but what old sessions
    /// speak.</summary>
    internal sealed class Rc4
    {
        public const int MaxKeyBytes = 256;

        private readonly byte[] _table = new byte[256];
        private byte _i;
        private byte _j;

        public Rc4(byte[] key)
        {
            for (var i = 0; i < _table.Length; i++)
            {
                _table[i] = (byte)i;
            }
            byte j = 0;
            for (var i = 0; i < _table.Length; i++)
            {
                j += (byte)(_table[i] + key[i % key.Length]);
                Exchange((byte)i, j);
            }
        }

        /// <summary>Encrypts, or decrypts, what comes next, in place.</summary>
        public void Apply(byte[] bytes, int offset, int count)
        {
            Apply(bytes, offset, bytes, offset, count);
        }

        /// <summary>Encrypts, or decrypts, what comes next.</summary>
        public void Apply(byte[] from, int fromOffset, byte[] to, int toOffset, int count)
        {
            for (var at = 0; at < count; at++)
            {
                _i++;
                _j += _table[_i];
                Exchange(_i, _j);
                to[toOffset + at] = (byte)(from[fromOffset + at] ^ _table[(byte)(_table[_i] + _table[_j])]);
            }
        }

        private void Exchange(byte i, byte j)
        {
            var kept = _table[i];
            _table[i] = _table[j];
            _table[j] = kept;
        }
    }
}
