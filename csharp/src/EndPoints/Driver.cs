using System;
using System.Threading;

namespace Fastway.EndPoints
{
    /// <summary>The thread of an end point that runs itself; it ends with the link.</summary>
    internal sealed class Driver
    {
        /// <summary>Milliseconds after which it looks at the time, whether something has come or not.</summary>
        private const int LongestWait = 10;

        private readonly EndPoint _endPoint;
        private readonly Thread _thread;

        public Driver(EndPoint endPoint)
        {
            _endPoint = endPoint;
            _thread = new Thread(Run) { IsBackground = true, Name = "fastway" };
        }

        /// <summary>Whether the caller is this thread, which must not wait for itself.</summary>
        public bool IsCurrent
        {
            get { return Thread.CurrentThread == _thread; }
        }

        public void Start()
        {
            _thread.Start();
        }

        private void Run()
        {
            while (!_endPoint.IsOver)
            {
                _endPoint.WaitForWork(LongestWait);
                if (Environment.HasShutdownStarted)
                {
                    // The program ends, and with it this thread: Mono may abort when code runs on here.
                    return;
                }
                Poll();
            }
            Poll();
        }

        private void Poll()
        {
            try
            {
                _endPoint.Poll();
            }
            catch (Exception error)
            {
                // A handler's: nobody is above this thread who could catch it.
                _endPoint.HandlerFailed(error);
            }
        }
    }
}
