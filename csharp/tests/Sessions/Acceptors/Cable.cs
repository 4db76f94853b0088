using System;
using Fastway.Sessions;

namespace Fastway.Tests.Sessions.Acceptors
{
    /// <summary>A connection between an initiator and an acceptor, with what is on its way.</summary>
    internal sealed class Cable
    {
        public ReplayBuffer ToAcceptor { get; } = new ReplayBuffer(int.MaxValue);

        public ReplayBuffer ToInitiator { get; } = new ReplayBuffer(int.MaxValue);

        /// <summary>The bytes that the acceptor has and cannot use yet.</summary>
        public byte[] Unfinished { get; set; } = new byte[0];

        /// <summary>The session that the acceptor has found for it.</summary>
        public AcceptorSession Session { get; set; }

        /// <summary>The acceptor has ended it behind what it sent.</summary>
        public bool IsEnded { get; set; }

        /// <summary>Takes up to so many bytes off a queue.</summary>
        public static byte[] Take(ReplayBuffer queue, int most)
        {
            var bytes = new byte[Math.Min(queue.Count, most)];
            queue.Copy(0, bytes, 0, bytes.Length);
            queue.Release(bytes.Length);
            return bytes;
        }

        /// <summary>The acceptor sends.</summary>
        public void Reply(byte[] bytes)
        {
            ToInitiator.Push(bytes, 0, bytes.Length);
        }

        /// <summary>The acceptor sends its last.</summary>
        public void End(params byte[] bytes)
        {
            Reply(bytes);
            IsEnded = true;
        }
    }
}
