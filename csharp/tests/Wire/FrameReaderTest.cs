using System;
using System.Collections.Generic;
using Fastway.Buffers;
using Fastway.Tests.Vectors;
using Fastway.Wire;
using NUnit.Framework;

namespace Fastway.Tests.Wire
{
    [TestFixture]
    public class FrameReaderTest
    {
        [TestCase(int.MaxValue)]
        [TestCase(1)]
        [TestCase(7)]
        public void The_golden_frames_are_read_in_pieces_of_any_size(int piece)
        {
            foreach (var vector in VectorFile.Read("frames.json"))
            {
                var name = vector["name"].Text;
                var reader = new FrameReader(new ChunkPool(), 1024, (uint)vector["max_packet"].Number);
                var frames = new List<string>();
                var status = Feed(reader, vector["bytes"].Bytes, piece, frames);
                var expected = new List<string>();
                foreach (var frame in vector["frames"].Items)
                {
                    expected.Add(frame["conn"].Number + ":" + frame["payload"].Text);
                }
                Assert.AreEqual(expected, frames, name);
                Assert.AreEqual(vector["error"] == null ? "Incomplete" : vector["error"].Text, status.ToString(), name);
            }
        }

        [Test]
        public void Memory_follows_the_bytes_that_came()
        {
            var reader = new FrameReader(new ChunkPool(), 4096, 512 << 10);
            Add(reader, new byte[] { 0, 0, 8, 0 }, 0, 4);
            Assert.LessOrEqual(reader.Space().Array.Length, 4096);
        }

        private static FrameStatus Feed(FrameReader reader, byte[] bytes, int piece, List<string> frames)
        {
            var status = FrameStatus.Incomplete;
            for (var at = 0; at < bytes.Length && status == FrameStatus.Incomplete;)
            {
                var count = Math.Min(Math.Min(piece, bytes.Length - at), reader.Space().Count);
                Add(reader, bytes, at, count);
                at += count;
                status = TakeAll(reader, frames);
            }
            return status;
        }

        private static FrameStatus TakeAll(FrameReader reader, List<string> frames)
        {
            Frame frame;
            FrameStatus status;
            while ((status = reader.Next(out frame)) == FrameStatus.Complete)
            {
                var payload = new byte[frame.Payload.Count];
                Buffer.BlockCopy(frame.Payload.Array, frame.Payload.Offset, payload, 0, payload.Length);
                frames.Add(frame.ConnId + ":" + Hex.Encode(payload));
            }
            return status;
        }

        private static void Add(FrameReader reader, byte[] bytes, int at, int count)
        {
            var space = reader.Space();
            Buffer.BlockCopy(bytes, at, space.Array, space.Offset, count);
            reader.Added(count);
        }
    }
}
