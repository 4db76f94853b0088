using System;
using System.Threading;
using System.Threading.Tasks;

namespace Fastway.EndPoints
{
    /// <summary>
    /// Somebody who awaits something. Either the result claims it or the cancellation does, so that nothing is taken for
    /// one who has gone.
    /// </summary>
    internal sealed class Waiter<T>
    {
        private readonly TaskCompletionSource<T> _completion;
        private CancellationTokenRegistration _registration;
        private int _claimed;

        public Waiter(bool continuesElsewhere)
        {
            _completion = new TaskCompletionSource<T>(
                continuesElsewhere ? TaskCreationOptions.RunContinuationsAsynchronously : TaskCreationOptions.None);
        }

        public Task<T> Task
        {
            get { return _completion.Task; }
        }

        public bool IsClaimed
        {
            get { return _claimed != 0; }
        }

        /// <summary>To be called without a lock held: a token that was cancelled before answers at once.</summary>
        public void ListenTo(CancellationToken cancellation)
        {
            if (cancellation.CanBeCanceled)
            {
                _registration = cancellation.Register(Cancel);
            }
        }

        /// <summary>True for the one who may complete it.</summary>
        public bool Claim()
        {
            return Interlocked.CompareExchange(ref _claimed, 1, 0) == 0;
        }

        /// <summary>Completes what was claimed; to be called without a lock held.</summary>
        public void Complete(T result)
        {
            _registration.Dispose();
            _completion.TrySetResult(result);
        }

        /// <summary>Completes what was claimed; to be called without a lock held.</summary>
        public void Fail(Exception error)
        {
            _registration.Dispose();
            _completion.TrySetException(error);
        }

        private void Cancel()
        {
            if (Claim())
            {
                _completion.TrySetCanceled();
            }
        }
    }
}
