using System;
using Fastway.Links;

namespace Fastway.Tests.Fuzz
{
    /// <summary>A link that gives bytes in pieces, and then ends: as if the gateway had closed it, or as is said.</summary>
    internal sealed class BytesLink : Link
    {
        private readonly byte[] _bytes;
        private readonly Func<int> _pieceBytes;
        private int _given;

        /// <summary>In pieces of any length.</summary>
        public BytesLink(byte[] bytes, Random random)
        {
            _bytes = bytes;
            _pieceBytes = () => random.Next(1, 64);
        }

        /// <summary>In pieces of one length.</summary>
        public BytesLink(byte[] bytes, int pieceBytes)
        {
            _bytes = bytes;
            _pieceBytes = () => pieceBytes;
        }

        public bool TakesNothing { private get; set; }

        public LinkException End { private get; set; }

        public override bool IsLive
        {
            get { return Failure == null; }
        }

        public override void Step(long now)
        {
        }

        public override int Read(ArraySegment<byte> into, long now)
        {
            var count = Math.Min(Math.Min(into.Count, _bytes.Length - _given), _pieceBytes());
            Buffer.BlockCopy(_bytes, _given, into.Array, into.Offset, count);
            _given += count;
            if (count == 0)
            {
                Failure = End ?? new LinkException(LostReason.ClosedByGateway);
            }
            return count;
        }

        public override int Write(ArraySegment<byte> bytes, long now)
        {
            return TakesNothing ? 0 : bytes.Count;
        }

        public override void Silent(long now)
        {
        }

        public override void Wait(int milliseconds)
        {
        }

        public override void Close(long now)
        {
        }
    }
}
