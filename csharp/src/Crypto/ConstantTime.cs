namespace Fastway.Crypto
{
    /// <summary>Comparisons whose time says nothing about what is compared.</summary>
    internal static class ConstantTime
    {
        /// <summary>Whether <paramref name="count"/> bytes are the same.</summary>
        public static bool AreEqual(byte[] a, int aOffset, byte[] b, int bOffset, int count)
        {
            var difference = 0;
            for (var i = 0; i < count; i++)
            {
                difference |= a[aOffset + i] ^ b[bOffset + i];
            }
            return difference == 0;
        }

        /// <summary>Whether all bytes are zero.</summary>
        public static bool IsZero(byte[] bytes)
        {
            var seen = 0;
            foreach (var b in bytes)
            {
                seen |= b;
            }
            return seen == 0;
        }
    }
}
