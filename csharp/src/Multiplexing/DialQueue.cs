using System.Collections.Generic;

namespace Fastway.Multiplexing
{
    /// <summary>
    /// The dials without an answer. A gateway answers in their order (docs/protocol.md §1.3), so one that was given up
    /// keeps its place.
    /// </summary>
    internal sealed class DialQueue
    {
        /// <summary>Dials that may be unanswered at a time.</summary>
        private const int Most = 16384;

        private readonly Queue<Channel> _waiting = new Queue<Channel>();

        public bool IsFull
        {
            get { return _waiting.Count >= Most; }
        }

        public void Add(Channel channel)
        {
            _waiting.Enqueue(channel);
        }

        /// <summary>Whose answer this is; null when nobody has dialed that remote next.</summary>
        public Channel Answered(uint remoteId)
        {
            return _waiting.Count > 0 && _waiting.Peek().RemoteId == remoteId ? _waiting.Dequeue() : null;
        }

        public Queue<Channel>.Enumerator GetEnumerator()
        {
            return _waiting.GetEnumerator();
        }

        public void Clear()
        {
            _waiting.Clear();
        }
    }
}
