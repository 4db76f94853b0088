using System;

namespace Fastway.Crypto
{
    /// <summary>The stream cipher ChaCha20 (RFC 8439 §2.4) with one key.</summary>
    internal sealed class ChaCha20
    {
        /// <summary>Bytes of a key.</summary>
        public const int KeyBytes = 32;

        private const int BlockWords = 16;
        /// <summary>Words that are loaded at a time; whole blocks.</summary>
        private const int ChunkWords = 64 * BlockWords;
        private const int Counter = 12;

        private readonly uint[] _state = new uint[BlockWords];
        private readonly uint[] _chunk = new uint[ChunkWords];

        public ChaCha20(byte[] key)
        {
            // "expand 32-byte k"
            _state[0] = 0x61707865;
            _state[1] = 0x3320646e;
            _state[2] = 0x79622d32;
            _state[3] = 0x6b206574;
            for (var i = 0; i < KeyBytes / 4; i++)
            {
                _state[4 + i] = LittleEndian.ReadUInt32(key, 4 * i);
            }
        }

        /// <summary>Goes to a block of the key stream of a nonce, which is <paramref name="constant"/>, then
        /// <paramref name="iv"/>.</summary>
        public void Seek(uint constant, ulong iv, uint block)
        {
            _state[Counter] = block;
            _state[13] = constant;
            _state[14] = (uint)iv;
            _state[15] = (uint)(iv >> 32);
        }

        /// <summary>Encrypts or decrypts, from the start of the current block on. What follows begins with a new
        /// block.</summary>
        public void Apply(byte[] bytes, int offset, int count)
        {
            while (count > 0)
            {
                var taken = Math.Min(count, 4 * ChunkWords);
                LittleEndian.ReadWords(bytes, offset, taken, _chunk);
                for (var at = 0; 4 * at < taken; at += BlockWords)
                {
                    AddBlock(_chunk, at);
                }
                LittleEndian.WriteWords(_chunk, bytes, offset, taken);
                offset += taken;
                count -= taken;
            }
        }

        /// <summary>The first words of the current block, as a key for <see cref="Poly1305"/>.</summary>
        public void TakeKey(uint[] words)
        {
            Array.Clear(_chunk, 0, BlockWords);
            AddBlock(_chunk, 0);
            Array.Copy(_chunk, words, words.Length);
            Array.Clear(_chunk, 0, BlockWords);
        }

        /// <summary>Forgets the key. It is of no use afterwards.</summary>
        public void Wipe()
        {
            Secrets.Wipe(_state, _chunk);
        }

        /// <summary>Combines a block of words with the key stream's next. The state stands in locals, and the rounds are
        /// written out, as that is what run-time compilers make fast code of.</summary>
        private void AddBlock(uint[] to, int at)
        {
            var s = _state;
            uint x0 = s[0], x1 = s[1], x2 = s[2], x3 = s[3], x4 = s[4], x5 = s[5], x6 = s[6], x7 = s[7];
            uint x8 = s[8], x9 = s[9], x10 = s[10], x11 = s[11], x12 = s[12], x13 = s[13], x14 = s[14], x15 = s[15];
            for (var round = 0; round < 10; round++)
            {
                // Columns.
                x0 += x4; x12 ^= x0; x12 = x12 << 16 | x12 >> 16; x8 += x12; x4 ^= x8; x4 = x4 << 12 | x4 >> 20;
                x0 += x4; x12 ^= x0; x12 = x12 << 8 | x12 >> 24; x8 += x12; x4 ^= x8; x4 = x4 << 7 | x4 >> 25;
                x1 += x5; x13 ^= x1; x13 = x13 << 16 | x13 >> 16; x9 += x13; x5 ^= x9; x5 = x5 << 12 | x5 >> 20;
                x1 += x5; x13 ^= x1; x13 = x13 << 8 | x13 >> 24; x9 += x13; x5 ^= x9; x5 = x5 << 7 | x5 >> 25;
                x2 += x6; x14 ^= x2; x14 = x14 << 16 | x14 >> 16; x10 += x14; x6 ^= x10; x6 = x6 << 12 | x6 >> 20;
                x2 += x6; x14 ^= x2; x14 = x14 << 8 | x14 >> 24; x10 += x14; x6 ^= x10; x6 = x6 << 7 | x6 >> 25;
                x3 += x7; x15 ^= x3; x15 = x15 << 16 | x15 >> 16; x11 += x15; x7 ^= x11; x7 = x7 << 12 | x7 >> 20;
                x3 += x7; x15 ^= x3; x15 = x15 << 8 | x15 >> 24; x11 += x15; x7 ^= x11; x7 = x7 << 7 | x7 >> 25;
                // Diagonals.
                x0 += x5; x15 ^= x0; x15 = x15 << 16 | x15 >> 16; x10 += x15; x5 ^= x10; x5 = x5 << 12 | x5 >> 20;
                x0 += x5; x15 ^= x0; x15 = x15 << 8 | x15 >> 24; x10 += x15; x5 ^= x10; x5 = x5 << 7 | x5 >> 25;
                x1 += x6; x12 ^= x1; x12 = x12 << 16 | x12 >> 16; x11 += x12; x6 ^= x11; x6 = x6 << 12 | x6 >> 20;
                x1 += x6; x12 ^= x1; x12 = x12 << 8 | x12 >> 24; x11 += x12; x6 ^= x11; x6 = x6 << 7 | x6 >> 25;
                x2 += x7; x13 ^= x2; x13 = x13 << 16 | x13 >> 16; x8 += x13; x7 ^= x8; x7 = x7 << 12 | x7 >> 20;
                x2 += x7; x13 ^= x2; x13 = x13 << 8 | x13 >> 24; x8 += x13; x7 ^= x8; x7 = x7 << 7 | x7 >> 25;
                x3 += x4; x14 ^= x3; x14 = x14 << 16 | x14 >> 16; x9 += x14; x4 ^= x9; x4 = x4 << 12 | x4 >> 20;
                x3 += x4; x14 ^= x3; x14 = x14 << 8 | x14 >> 24; x9 += x14; x4 ^= x9; x4 = x4 << 7 | x4 >> 25;
            }
            to[at] ^= x0 + s[0];
            to[at + 1] ^= x1 + s[1];
            to[at + 2] ^= x2 + s[2];
            to[at + 3] ^= x3 + s[3];
            to[at + 4] ^= x4 + s[4];
            to[at + 5] ^= x5 + s[5];
            to[at + 6] ^= x6 + s[6];
            to[at + 7] ^= x7 + s[7];
            to[at + 8] ^= x8 + s[8];
            to[at + 9] ^= x9 + s[9];
            to[at + 10] ^= x10 + s[10];
            to[at + 11] ^= x11 + s[11];
            to[at + 12] ^= x12 + s[12];
            to[at + 13] ^= x13 + s[13];
            to[at + 14] ^= x14 + s[14];
            to[at + 15] ^= x15 + s[15];
            s[Counter]++;
        }
    }
}
