using System;
using System.Diagnostics;
using System.Threading;
using Fastway;

namespace Loop
{
    /// <summary>
    /// A client with ten connections to a server that sends everything back, both polled by one loop. The client's part of
    /// a frame is what is measured: to send what is due, and to poll.
    /// </summary>
    internal sealed class Setup : IDisposable
    {
        public const int Connections = 10;
        public const int PollsPerSecond = 60;
        public const int MessagesPerSecond = 1000;

        private const uint ServerId = 1;
        private const int MessageBytes = 64;
        private const int PileUpMilliseconds = 200;

        private readonly EndPoint _server;
        private readonly EndPoint _client;
        private readonly Conn[] _conns = new Conn[Connections];
        private readonly ArraySegment<byte> _message = new ArraySegment<byte>(new byte[MessageBytes]);
        private long _received;
        private long _sentBack;

        public Setup(string client, string server, string key, EndPointOptions options)
        {
            _server = EndPoint.ConnectServer(server, ServerId, key);
            _server.Accepted += conn => conn.Received += SendBack;
            Until(() => _server.IsReady);
            _client = EndPoint.ConnectClient(client, options);
            for (var at = 0; at < Connections; at++)
            {
                _conns[at] = _client.Dial(ServerId);
                _conns[at].Received += Count;
            }
            Until(() => Array.TrueForAll(_conns, conn => conn.IsOpen));
        }

        public void Dispose()
        {
            _client.Close();
            _server.Close();
        }

        /// <summary>
        /// Has as much come at once as after a stall of three seconds: the pools grow to the largest batch, and how large
        /// that is depends on what else the machine does.
        /// </summary>
        public void PileUp()
        {
            const int piled = 3 * MessagesPerSecond;
            var before = _received;
            SendUpTo(piled, 0);
            _client.Poll();
            while (_sentBack < before + piled)
            {
                _server.Poll();
                Check();
                Thread.Sleep(1);
            }
            Thread.Sleep(PileUpMilliseconds);
            Until(() => _received - before == piled);
        }

        /// <summary>Runs the loop at its pace.</summary>
        public void Run(double seconds, Figures figures)
        {
            var clock = Stopwatch.StartNew();
            var polls = (int)(seconds * PollsPerSecond);
            long sent = 0;
            var before = _received;
            figures.Begin();
            for (var poll = 0; poll < polls; poll++)
            {
                WaitFor(clock, poll);
                var allocated = GC.GetAllocatedBytesForCurrentThread();
                var began = Stopwatch.GetTimestamp();
                sent = SendUpTo((long)(clock.Elapsed.TotalSeconds * MessagesPerSecond), sent);
                _client.Poll();
                figures.AddPoll(
                    Stopwatch.GetTimestamp() - began, GC.GetAllocatedBytesForCurrentThread() - allocated);
                _server.Poll();
            }
            Until(() => _received - before == sent);
            figures.End(sent, _received - before);
        }

        private static void WaitFor(Stopwatch clock, int poll)
        {
            var wait = 1000L * poll / PollsPerSecond - clock.ElapsedMilliseconds;
            if (wait > 0)
            {
                Thread.Sleep((int)wait);
            }
        }

        private void SendBack(Conn conn, ArraySegment<byte> message)
        {
            conn.TrySend(message);
            _sentBack++;
        }

        private void Count(Conn conn, ArraySegment<byte> message)
        {
            _received++;
        }

        private long SendUpTo(long due, long sent)
        {
            for (; sent < due; sent++)
            {
                if (_conns[sent % Connections].TrySend(_message) != SendStatus.Queued)
                {
                    throw new InvalidOperationException("the loop is held up");
                }
            }
            return sent;
        }

        private void Until(Func<bool> isSo)
        {
            while (!isSo())
            {
                _server.Poll();
                if (_client != null)
                {
                    _client.Poll();
                }
                Check();
                Thread.Sleep(1);
            }
        }

        private void Check()
        {
            var why = _server.Failure ?? (_client == null ? null : _client.Failure);
            if (why != null)
            {
                throw why;
            }
        }
    }
}
