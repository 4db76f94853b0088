using System;

namespace Fastway.Crypto
{
    /// <summary>The hash SHA-256 (FIPS 180-4), in pieces. The class library's is made by reflection, which stripped
    /// builds of games break.</summary>
    internal sealed class Sha256
    {
        /// <summary>Bytes of a hash.</summary>
        public const int HashBytes = 32;
        /// <summary>Bytes that are hashed at a time.</summary>
        public const int BlockBytes = 64;

        /// <summary>Where the length of the message stands in its last block.</summary>
        private const int LengthAt = BlockBytes - 8;

        private static readonly uint[] Rounds =
        {
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
            0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
            0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
            0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
            0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
            0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
            0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
            0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
        };

        private readonly uint[] _state =
        {
            0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
        };
        private readonly uint[] _schedule = new uint[64];
        private readonly byte[] _block = new byte[BlockBytes];
        private int _filled;
        private ulong _length;

        /// <summary>The hash of one piece.</summary>
        public static byte[] Hash(byte[] bytes)
        {
            return new Sha256().Update(bytes).Finish();
        }

        /// <summary>Takes more of the message.</summary>
        public Sha256 Update(byte[] bytes)
        {
            return Update(bytes, 0, bytes.Length);
        }

        /// <summary>Takes more of the message.</summary>
        public Sha256 Update(byte[] bytes, int offset, int count)
        {
            _length += (ulong)count;
            while (count > 0)
            {
                var taken = Math.Min(count, BlockBytes - _filled);
                Buffer.BlockCopy(bytes, offset, _block, _filled, taken);
                _filled += taken;
                offset += taken;
                count -= taken;
                if (_filled == BlockBytes)
                {
                    Compress();
                }
            }
            return this;
        }

        /// <summary>The hash. Nothing can be taken afterwards.</summary>
        public byte[] Finish()
        {
            var bits = _length * 8;
            _block[_filled++] = 0x80;
            if (_filled > LengthAt)
            {
                Array.Clear(_block, _filled, BlockBytes - _filled);
                Compress();
            }
            Array.Clear(_block, _filled, LengthAt - _filled);
            WriteBigEndian((uint)(bits >> 32), _block, LengthAt);
            WriteBigEndian((uint)bits, _block, LengthAt + 4);
            Compress();
            var hash = new byte[HashBytes];
            for (var i = 0; i < _state.Length; i++)
            {
                WriteBigEndian(_state[i], hash, 4 * i);
            }
            return hash;
        }

        /// <summary>Forgets what was taken. Nothing can be taken afterwards.</summary>
        public void Wipe()
        {
            Secrets.Wipe(_state, _schedule, _block);
        }

        private void Compress()
        {
            FillSchedule();
            uint a = _state[0], b = _state[1], c = _state[2], d = _state[3];
            uint e = _state[4], f = _state[5], g = _state[6], h = _state[7];
            for (var i = 0; i < Rounds.Length; i++)
            {
                var s1 = (e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7);
                var choice = e & f ^ ~e & g;
                var t1 = h + s1 + choice + Rounds[i] + _schedule[i];
                var s0 = (a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10);
                var majority = a & b ^ a & c ^ b & c;
                h = g;
                g = f;
                f = e;
                e = d + t1;
                d = c;
                c = b;
                b = a;
                a = t1 + s0 + majority;
            }
            _state[0] += a;
            _state[1] += b;
            _state[2] += c;
            _state[3] += d;
            _state[4] += e;
            _state[5] += f;
            _state[6] += g;
            _state[7] += h;
            _filled = 0;
        }

        private void FillSchedule()
        {
            var w = _schedule;
            for (var i = 0; i < 16; i++)
            {
                w[i] = (uint)(_block[4 * i] << 24 | _block[4 * i + 1] << 16 | _block[4 * i + 2] << 8 | _block[4 * i + 3]);
            }
            for (var i = 16; i < w.Length; i++)
            {
                uint x = w[i - 15], y = w[i - 2];
                var s0 = (x >> 7 | x << 25) ^ (x >> 18 | x << 14) ^ x >> 3;
                var s1 = (y >> 17 | y << 15) ^ (y >> 19 | y << 13) ^ y >> 10;
                w[i] = w[i - 16] + s0 + w[i - 7] + s1;
            }
        }

        private static void WriteBigEndian(uint number, byte[] to, int at)
        {
            to[at] = (byte)(number >> 24);
            to[at + 1] = (byte)(number >> 16);
            to[at + 2] = (byte)(number >> 8);
            to[at + 3] = (byte)number;
        }
    }
}
