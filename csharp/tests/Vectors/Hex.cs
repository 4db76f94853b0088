using System;
using System.Text;

namespace Fastway.Tests.Vectors
{
    /// <summary>Bytes as hexadecimal digits.</summary>
    internal static class Hex
    {
        public static byte[] Decode(string digits)
        {
            var bytes = new byte[digits.Length / 2];
            for (var i = 0; i < bytes.Length; i++)
            {
                bytes[i] = Convert.ToByte(digits.Substring(2 * i, 2), 16);
            }
            return bytes;
        }

        public static string Encode(byte[] bytes)
        {
            return Encode(bytes, 0, bytes.Length);
        }

        public static string Encode(byte[] bytes, int offset, int count)
        {
            var digits = new StringBuilder();
            for (var i = offset; i < offset + count; i++)
            {
                digits.Append(bytes[i].ToString("x2"));
            }
            return digits.ToString();
        }
    }
}
