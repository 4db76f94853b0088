using System;

namespace Fastway.Crypto
{
    /// <summary>The one-time authenticator Poly1305 (RFC 8439 §2.5), of messages that are padded to whole blocks, as its
    /// use with ChaCha20 has them.</summary>
    internal sealed class Poly1305
    {
        /// <summary>Bytes of a tag.</summary>
        public const int TagBytes = 16;
        /// <summary>Words of a key.</summary>
        public const int KeyWords = 8;

        private const int BlockWords = 4;
        private const int ChunkWords = 256 * BlockWords;
        /// <summary>Numbers stand in five limbs of 26 bits.</summary>
        private const uint LimbMask = 0x3ffffff;
        /// <summary>The bit above the 128 of a block, in its last limb.</summary>
        private const uint AboveBlock = 1 << 24;

        private readonly uint[] _chunk = new uint[ChunkWords];
        private uint _r0, _r1, _r2, _r3, _r4;
        private uint _h0, _h1, _h2, _h3, _h4;
        private uint _end0, _end1, _end2, _end3;

        /// <summary>Begins a message with a key that is used for no other.</summary>
        public void Start(uint[] key)
        {
            _r0 = key[0] & 0x3ffffff;
            _r1 = (key[0] >> 26 | key[1] << 6) & 0x3ffff03;
            _r2 = (key[1] >> 20 | key[2] << 12) & 0x3ffc0ff;
            _r3 = (key[2] >> 14 | key[3] << 18) & 0x3f03fff;
            _r4 = key[3] >> 8 & 0x00fffff;
            _h0 = _h1 = _h2 = _h3 = _h4 = 0;
            _end0 = key[4];
            _end1 = key[5];
            _end2 = key[6];
            _end3 = key[7];
        }

        /// <summary>Takes bytes, and as many zeros as fill the last block.</summary>
        public void Absorb(byte[] bytes, int offset, int count)
        {
            while (count > 0)
            {
                var taken = Math.Min(count, 4 * ChunkWords);
                var words = (taken + TagBytes - 1) / TagBytes * BlockWords;
                Array.Clear(_chunk, words - BlockWords, BlockWords);
                LittleEndian.ReadWords(bytes, offset, taken, _chunk);
                AbsorbWords(words);
                offset += taken;
                count -= taken;
            }
        }

        /// <summary>Takes the block with the lengths that ends an authenticated message.</summary>
        public void AbsorbLengths(int associated, int ciphertext)
        {
            _chunk[0] = (uint)associated;
            _chunk[1] = 0;
            _chunk[2] = (uint)ciphertext;
            _chunk[3] = 0;
            AbsorbWords(BlockWords);
        }

        /// <summary>h = (h + block) * r for each block, modulo 2^130 - 5, not wholly reduced.</summary>
        private void AbsorbWords(int words)
        {
            ulong r0 = _r0, r1 = _r1, r2 = _r2, r3 = _r3, r4 = _r4;
            // 2^130 is 5.
            ulong s1 = 5 * r1, s2 = 5 * r2, s3 = 5 * r3, s4 = 5 * r4;
            ulong h0 = _h0, h1 = _h1, h2 = _h2, h3 = _h3, h4 = _h4;
            for (var at = 0; at < words; at += BlockWords)
            {
                uint t0 = _chunk[at], t1 = _chunk[at + 1], t2 = _chunk[at + 2], t3 = _chunk[at + 3];
                h0 += t0 & LimbMask;
                h1 += (t0 >> 26 | t1 << 6) & LimbMask;
                h2 += (t1 >> 20 | t2 << 12) & LimbMask;
                h3 += (t2 >> 14 | t3 << 18) & LimbMask;
                h4 += t3 >> 8 | AboveBlock;

                var d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
                var d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2;
                var d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3;
                var d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4;
                var d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0;

                d1 += d0 >> 26;
                d2 += d1 >> 26;
                d3 += d2 >> 26;
                d4 += d3 >> 26;
                h0 = (d0 & LimbMask) + 5 * (d4 >> 26);
                h1 = (d1 & LimbMask) + (h0 >> 26);
                h0 &= LimbMask;
                h2 = d2 & LimbMask;
                h3 = d3 & LimbMask;
                h4 = d4 & LimbMask;
            }
            _h0 = (uint)h0;
            _h1 = (uint)h1;
            _h2 = (uint)h2;
            _h3 = (uint)h3;
            _h4 = (uint)h4;
        }

        /// <summary>Writes the tag of what was taken.</summary>
        public void Finish(byte[] to, int offset)
        {
            Reduce();
            ulong sum = (ulong)(_h0 | _h1 << 26) + _end0;
            LittleEndian.Write((uint)sum, to, offset);
            sum = (sum >> 32) + (_h1 >> 6 | _h2 << 20) + _end1;
            LittleEndian.Write((uint)sum, to, offset + 4);
            sum = (sum >> 32) + (_h2 >> 12 | _h3 << 14) + _end2;
            LittleEndian.Write((uint)sum, to, offset + 8);
            sum = (sum >> 32) + (_h3 >> 18 | _h4 << 8) + _end3;
            LittleEndian.Write((uint)sum, to, offset + 12);
        }

        /// <summary>Forgets the key and the message.</summary>
        public void Wipe()
        {
            Secrets.Wipe(_chunk);
            _r0 = _r1 = _r2 = _r3 = _r4 = 0;
            _h0 = _h1 = _h2 = _h3 = _h4 = 0;
            _end0 = _end1 = _end2 = _end3 = 0;
        }

        /// <summary>Brings h below 2^130 - 5, in constant time.</summary>
        private void Reduce()
        {
            Carry();
            // h - p = h + 5 - 2^130, which is what h becomes unless it is negative.
            var g0 = _h0 + 5;
            var g1 = _h1 + (g0 >> 26);
            var g2 = _h2 + (g1 >> 26);
            var g3 = _h3 + (g2 >> 26);
            var g4 = _h4 + (g3 >> 26) - (1 << 26);
            var below = 0 - (g4 >> 31);
            _h0 = _h0 & below | g0 & LimbMask & ~below;
            _h1 = _h1 & below | g1 & LimbMask & ~below;
            _h2 = _h2 & below | g2 & LimbMask & ~below;
            _h3 = _h3 & below | g3 & LimbMask & ~below;
            _h4 = _h4 & below | g4 & LimbMask & ~below;
        }

        private void Carry()
        {
            for (var pass = 0; pass < 2; pass++)
            {
                _h2 += _h1 >> 26;
                _h1 &= LimbMask;
                _h3 += _h2 >> 26;
                _h2 &= LimbMask;
                _h4 += _h3 >> 26;
                _h3 &= LimbMask;
                _h0 += 5 * (_h4 >> 26);
                _h4 &= LimbMask;
                _h1 += _h0 >> 26;
                _h0 &= LimbMask;
            }
        }
    }
}
