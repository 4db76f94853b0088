using System;

namespace Fastway.Crypto
{
    /// <summary>Arrays of bytes, put together and taken apart; for handshakes, as each call makes a new one.</summary>
    internal static class Bytes
    {
        public static byte[] Concat(params byte[][] parts)
        {
            var count = 0;
            foreach (var part in parts)
            {
                count += part.Length;
            }
            var all = new byte[count];
            var at = 0;
            foreach (var part in parts)
            {
                part.CopyTo(all, at);
                at += part.Length;
            }
            return all;
        }

        public static byte[] Slice(byte[] bytes, int offset, int count)
        {
            var slice = new byte[count];
            Buffer.BlockCopy(bytes, offset, slice, 0, count);
            return slice;
        }

        public static byte[] Slice(byte[] bytes, int offset)
        {
            return Slice(bytes, offset, bytes.Length - offset);
        }
    }
}
