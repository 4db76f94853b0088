namespace Fastway.Buffers
{
    /// <summary>A piece of pooled memory: written at its end, read from its start.</summary>
    internal sealed class Chunk
    {
        public readonly byte[] Memory;
        public int Read;
        public int Written;

        /// <summary>The chunk behind this one, in a queue or in the pool.</summary>
        public Chunk Next;

        public Chunk(int bytes)
        {
            Memory = new byte[bytes];
        }

        public int Waiting
        {
            get { return Written - Read; }
        }

        public int Free
        {
            get { return Memory.Length - Written; }
        }
    }
}
