using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using System.Threading;
using NUnit.Framework;

namespace Fastway.Tests.Support
{
    /// <summary>
    /// Tests in which end points talk through a gateway. All of them are polled by the test's own thread, whenever it waits.
    /// </summary>
    public abstract class GatewayTest
    {
        /// <summary>What a test waits at most for what must come, also on a busy machine.</summary>
        protected const int Patience = 60 * 1000;

        private readonly List<IDisposable> _started = new List<IDisposable>();
        private readonly List<EndPoint> _polled = new List<EndPoint>();

        [TearDown]
        public void StopAll()
        {
            for (var at = _started.Count - 1; at >= 0; at--)
            {
                _started[at].Dispose();
            }
            _started.Clear();
            _polled.Clear();
        }

        internal Gateway StartGateway(params string[] flags)
        {
            return Owned(Gateway.Start(flags));
        }

        /// <summary>Has it disposed of at the end.</summary>
        protected T Owned<T>(T started) where T : IDisposable
        {
            _started.Add(started);
            return started;
        }

        /// <summary>Has it polled whenever the test waits.</summary>
        protected EndPoint Polled(EndPoint endPoint)
        {
            _polled.Add(endPoint);
            return Owned(endPoint);
        }

        internal EndPoint Client(Gateway gateway, EndPointOptions options = null)
        {
            var client = Polled(EndPoint.ConnectClient(gateway.Client, options));
            Until("the client is ready", () => client.IsReady);
            return client;
        }

        internal EndPoint Server(Gateway gateway, uint id, EndPointOptions options = null)
        {
            var server = Polled(EndPoint.ConnectServer(gateway.Server, id, Gateway.Key, options));
            Until("the server is ready", () => server.IsReady);
            return server;
        }

        protected Conn Accept(EndPoint endPoint)
        {
            Conn accepted = null;
            Until("somebody dials", () => (accepted = accepted ?? endPoint.Accept()) != null);
            return accepted;
        }

        protected static void Send(Conn conn, string message)
        {
            Assert.IsTrue(conn.Send(Encoding.UTF8.GetBytes(message)), "send " + message);
        }

        protected string Receive(Conn conn)
        {
            var message = Conn.NoMsg;
            Until("a message comes", () => (message = conn.Receive()) != Conn.NoMsg);
            return message == null ? null : Encoding.UTF8.GetString(message);
        }

        /// <summary>Polls everything until it is so.</summary>
        protected void Until(string what, Func<bool> isSo)
        {
            var waited = Stopwatch.StartNew();
            while (!isSo())
            {
                if (waited.ElapsedMilliseconds > Patience)
                {
                    Assert.Fail("not in time: " + what + Ends());
                }
                PollAll();
            }
        }

        protected void PollAll()
        {
            foreach (var endPoint in _polled)
            {
                endPoint.Poll();
            }
            Thread.Sleep(_polled.Count > 0 ? 0 : 1);
        }

        private string Ends()
        {
            var ends = new StringBuilder();
            foreach (var endPoint in _polled)
            {
                ends.Append("; ").Append(endPoint.Failure == null ? "a link lives" : endPoint.Failure.Message);
            }
            return ends.ToString();
        }
    }
}
