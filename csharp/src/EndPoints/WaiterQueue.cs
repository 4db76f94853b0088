using System.Collections.Generic;

namespace Fastway.EndPoints
{
    /// <summary>Those who await the same thing, in their order.</summary>
    internal sealed class WaiterQueue<T>
    {
        private readonly Queue<Waiter<T>> _waiting = new Queue<Waiter<T>>();

        public void Add(Waiter<T> waiter)
        {
            _waiting.Enqueue(waiter);
        }

        /// <summary>The first one, who is claimed by this; null when nobody waits.</summary>
        public Waiter<T> Claim()
        {
            while (_waiting.Count > 0)
            {
                var waiter = _waiting.Dequeue();
                if (waiter.Claim())
                {
                    return waiter;
                }
            }
            return null;
        }
    }
}
