using System;
using System.Collections.Generic;
using Fastway.Crypto;

namespace Fastway.Tests.Sessions
{
    /// <summary>Draws what a test says, in this order, and no more.</summary>
    internal sealed class FixedRandom : RandomSource
    {
        private readonly Queue<byte> _drawn = new Queue<byte>();

        public void Add(byte[] bytes)
        {
            foreach (var b in bytes)
            {
                _drawn.Enqueue(b);
            }
        }

        public override void Fill(byte[] to, int offset, int count)
        {
            if (count > _drawn.Count)
            {
                throw new InvalidOperationException("more is drawn than the test knows of");
            }
            for (var i = 0; i < count; i++)
            {
                to[offset + i] = _drawn.Dequeue();
            }
        }
    }
}
