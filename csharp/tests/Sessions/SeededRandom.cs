using System;
using Fastway.Crypto;

namespace Fastway.Tests.Sessions
{
    /// <summary>Random bytes that are the same each time, so that a failure can be seen again.</summary>
    internal sealed class SeededRandom : RandomSource
    {
        private readonly Random _random;

        public SeededRandom(int seed)
        {
            _random = new Random(seed);
        }

        public override void Fill(byte[] to, int offset, int count)
        {
            for (var i = 0; i < count; i++)
            {
                to[offset + i] = (byte)_random.Next(256);
            }
        }

        public int Below(int bound)
        {
            return _random.Next(bound);
        }
    }
}
