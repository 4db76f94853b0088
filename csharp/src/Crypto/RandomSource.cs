using System.Security.Cryptography;

namespace Fastway.Crypto
{
    /// <summary>Where random bytes come from: an argument everywhere, so that a test can own them.</summary>
    internal abstract class RandomSource
    {
        /// <summary>The system's cryptographic generator.</summary>
        public static readonly RandomSource System = new SystemSource();

        /// <summary>Fills <paramref name="count"/> bytes.</summary>
        public abstract void Fill(byte[] to, int offset, int count);

        /// <summary>New random bytes.</summary>
        public byte[] Draw(int count)
        {
            var bytes = new byte[count];
            Fill(bytes, 0, count);
            return bytes;
        }

        private sealed class SystemSource : RandomSource
        {
            private readonly RandomNumberGenerator _generator = new RNGCryptoServiceProvider();

            public override void Fill(byte[] to, int offset, int count)
            {
                // The overload with an offset is newer than .NET Standard 2.0.
                var drawn = new byte[count];
                lock (_generator)
                {
                    _generator.GetBytes(drawn);
                }
                drawn.CopyTo(to, offset);
                global::System.Array.Clear(drawn, 0, count);
            }
        }
    }
}
