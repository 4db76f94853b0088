using System;

namespace Fastway.Crypto
{
    /// <summary>Numbers as bytes, the least significant first, as the whole protocol has them.</summary>
    internal static class LittleEndian
    {
        public static ushort ReadUInt16(byte[] from, int at)
        {
            return (ushort)(from[at] | from[at + 1] << 8);
        }

        public static uint ReadUInt32(byte[] from, int at)
        {
            return (uint)(from[at] | from[at + 1] << 8 | from[at + 2] << 16 | from[at + 3] << 24);
        }

        public static ulong ReadUInt64(byte[] from, int at)
        {
            return ReadUInt32(from, at) | (ulong)ReadUInt32(from, at + 4) << 32;
        }

        public static void Write(ushort number, byte[] to, int at)
        {
            to[at] = (byte)number;
            to[at + 1] = (byte)(number >> 8);
        }

        public static void Write(uint number, byte[] to, int at)
        {
            to[at] = (byte)number;
            to[at + 1] = (byte)(number >> 8);
            to[at + 2] = (byte)(number >> 16);
            to[at + 3] = (byte)(number >> 24);
        }

        public static void Write(ulong number, byte[] to, int at)
        {
            Write((uint)number, to, at);
            Write((uint)(number >> 32), to, at + 4);
        }

        /// <summary>Many words at once, which is several times as fast as one by one. A last word may lack bytes: they
        /// are zero.</summary>
        public static void ReadWords(byte[] from, int at, int bytes, uint[] words)
        {
            if ((bytes & 3) != 0)
            {
                words[bytes / 4] = 0;
            }
            Buffer.BlockCopy(from, at, words, 0, bytes);
            ToHostOrder(words, bytes);
        }

        /// <summary>The reverse of <see cref="ReadWords"/>. The words are of no more use afterwards.</summary>
        public static void WriteWords(uint[] words, byte[] to, int at, int bytes)
        {
            ToHostOrder(words, bytes);
            Buffer.BlockCopy(words, 0, to, at, bytes);
        }

        private static void ToHostOrder(uint[] words, int bytes)
        {
            if (BitConverter.IsLittleEndian)
            {
                return;
            }
            for (var i = 0; i < (bytes + 3) / 4; i++)
            {
                var word = words[i];
                words[i] = word >> 24 | word >> 8 & 0xff00 | word << 8 & 0xff0000 | word << 24;
            }
        }
    }
}
