using System;
using System.IO;
using Fastway.Crypto;
using Fastway.Sessions;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>What an owner of a session does, with arrays of bytes.</summary>
    internal static class Driver
    {
        /// <summary>Takes all that there is to send.</summary>
        public static byte[] SendAll(this Session session, long now)
        {
            if (!session.HasOutput(now))
            {
                return new byte[0];
            }
            var all = new MemoryStream();
            var buffer = new byte[4 * Session.MinSendBytes];
            while (session.HasOutput(now))
            {
                var sent = session.Send(buffer, 0, buffer.Length, now);
                if (sent == 0)
                {
                    break;
                }
                all.Write(buffer, 0, sent);
            }
            return all.ToArray();
        }

        /// <summary>Hands in what came, in as many pieces as it takes; the stream's bytes are returned.</summary>
        public static byte[] ReceiveAll(this Session session, byte[] wire, long now, out Fault fault)
        {
            var read = new MemoryStream();
            fault = Fault.None;
            for (var at = 0; at < wire.Length && fault == Fault.None;)
            {
                var space = session.ReceiveSpace();
                var count = Math.Min(space.Count, wire.Length - at);
                Buffer.BlockCopy(wire, at, space.Array, space.Offset, count);
                at += count;
                ArraySegment<byte> stream;
                fault = session.Receive(count, now, out stream);
                read.Write(stream.Array, stream.Offset, stream.Count);
            }
            return read.ToArray();
        }

        public static byte[] ReceiveAll(this Session session, byte[] wire, long now)
        {
            Fault fault;
            var read = session.ReceiveAll(wire, now, out fault);
            Assert.AreEqual(Fault.None, fault);
            return read;
        }

        public static byte[] ConnectBytes(this Session session, long now)
        {
            var hello = session.Connect(now);
            return Bytes.Slice(hello.Array, hello.Offset, hello.Count);
        }

        public static void WriteAll(this Session session, byte[] bytes)
        {
            Assert.AreEqual(bytes.Length, session.Write(bytes, 0, bytes.Length));
        }
    }
}
