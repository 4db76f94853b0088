using Fastway.Buffers;
using NUnit.Framework;

namespace Fastway.Tests.Buffers
{
    [TestFixture]
    public class ChunkPoolTest
    {
        [Test]
        public void A_chunk_that_came_back_is_given_out_again()
        {
            var pool = new ChunkPool();
            var chunk = pool.Take(1000);
            chunk.Written = 10;
            pool.Return(chunk);
            Assert.AreSame(chunk, pool.Take(1000));
            Assert.AreEqual(0, chunk.Waiting);
            Assert.AreNotSame(chunk, pool.Take(1000));
        }

        [Test]
        public void A_larger_chunk_is_given_rather_than_a_new_one_and_never_a_smaller_one()
        {
            var pool = new ChunkPool();
            var small = pool.Take(1000);
            var large = pool.Take(60000);
            pool.Return(small);
            pool.Return(large);
            Assert.AreSame(large, pool.Take(2000));
            Assert.GreaterOrEqual(pool.Take(2000).Memory.Length, 2000);
            Assert.AreSame(small, pool.Take(1000));
        }

        [Test]
        public void Huge_chunks_are_not_kept()
        {
            var pool = new ChunkPool();
            var huge = pool.Take(3 << 20);
            Assert.GreaterOrEqual(huge.Memory.Length, 3 << 20);
            pool.Return(huge);
            Assert.AreNotSame(huge, pool.Take(3 << 20));
        }
    }
}
