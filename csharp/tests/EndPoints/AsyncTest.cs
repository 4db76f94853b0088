using System;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>Those who await, with end points that are polled and with ones that run themselves.</summary>
    [TestFixture]
    public class AsyncTest : GatewayTest
    {
        private Gateway _gateway;

        [SetUp]
        public void Start()
        {
            _gateway = StartGateway();
        }

        [Test]
        public void An_echo_is_awaited_without_anybody_polling()
        {
            var talk = Task.Run((Func<Task<string>>)TalkAsync);
            Assert.IsTrue(talk.Wait(Patience), "not in time");
            Assert.AreEqual("hello", talk.Result);
        }

        [Test]
        public void What_is_awaited_completes_on_the_thread_that_polls()
        {
            Server(_gateway, 1);
            var client = Client(_gateway);
            var thread = 0;
            var dialed = client.DialAsync(1).ContinueWith(
                task => thread = Thread.CurrentThread.ManagedThreadId, TaskContinuationOptions.ExecuteSynchronously);
            Until("the dial is answered", () => dialed.IsCompleted);
            Assert.AreEqual(Thread.CurrentThread.ManagedThreadId, thread);
        }

        [Test]
        public void A_refused_dial_fails_with_its_reason()
        {
            var client = Client(_gateway);
            var dialed = client.DialAsync(4711);
            Until("the dial is answered", () => dialed.IsCompleted);
            var error = (DialException)dialed.Exception.InnerException;
            Assert.AreEqual(CloseReason.Refused, error.Reason);
            Assert.AreEqual(4711, error.RemoteID);
        }

        [Test]
        public void A_dial_without_an_answer_is_given_up()
        {
            using (var silent = new SilentGateway())
            {
                var options = new EndPointOptions { DialTimeout = TimeSpan.FromMilliseconds(50) };
                var client = Polled(EndPoint.ConnectClient(silent.Address, options));
                Until("the client is ready", () => client.IsReady);
                var dialed = client.DialAsync(1);
                Until("the dial is given up", () => dialed.IsCompleted);
                Assert.AreEqual(CloseReason.DialTimedOut, ((DialException)dialed.Exception.InnerException).Reason);
            }
        }

        [Test]
        public void A_cancelled_dial_leaves_no_connection_behind()
        {
            var server = Server(_gateway, 1);
            var client = Client(_gateway);
            var cancellation = new CancellationTokenSource();
            var dialed = client.DialAsync(1, cancellation.Token);
            cancellation.Cancel();
            Assert.IsTrue(dialed.IsCanceled);
            var accepted = Accept(server);
            Until("it is closed", () => accepted.CloseReason == CloseReason.Remote);
        }

        [Test]
        public void A_cancelled_receive_loses_no_message()
        {
            var server = Server(_gateway, 1);
            var conn = Client(_gateway).Dial(1);
            var accepted = Accept(server);
            var cancellation = new CancellationTokenSource();
            var given = conn.ReceiveAsync(cancellation.Token);
            cancellation.Cancel();
            Assert.IsTrue(given.IsCanceled);
            Send(accepted, "for the next");
            var next = conn.ReceiveAsync();
            Until("it comes", () => next.IsCompleted);
            Assert.AreEqual("for the next", Encoding.UTF8.GetString(next.Result));
        }

        [Test]
        public void The_end_completes_all_who_wait()
        {
            Server(_gateway, 1);
            var client = Client(_gateway);
            var conn = client.Dial(1);
            var received = conn.ReceiveAsync();
            var accepted = client.AcceptAsync();
            client.Close();
            Assert.IsNull(received.Result);
            Assert.IsNull(accepted.Result);
            Assert.IsInstanceOf<LinkException>(client.ReadyAsync().Exception.InnerException);
            Assert.IsInstanceOf<DialException>(client.DialAsync(1).Exception.InnerException);
        }

        [Test]
        public void Nobody_to_connect_to_fails_the_task()
        {
            var nobody = Owned(new DeadAddress());
            var connected = EndPoint.ConnectClientAsync(nobody.ToString());
            Until("it fails", () => connected.IsCompleted);
            Assert.AreEqual(LostReason.Unreachable, ((LinkException)connected.Exception.InnerException).Reason);
        }

        [Test]
        public void An_exception_of_a_handler_ends_an_end_point_that_runs_itself()
        {
            Server(_gateway, 1).Accepted += conn => Send(conn, "to be handled");
            var client = Owned(EndPoint.ConnectClient(_gateway.Client, new EndPointOptions { RunsItself = true }));
            client.Dial(1).Received += (conn, message) => { throw new InvalidOperationException("mine"); };
            Until("the link is given up", () => client.Failure != null);
            Assert.AreEqual(LostReason.HandlerFailed, client.Failure.Reason);
        }

        private async Task<string> TalkAsync()
        {
            using (var server = await EndPoint.ConnectServerAsync(_gateway.Server, 1, Gateway.Key))
            using (var client = await EndPoint.ConnectClientAsync(_gateway.Client))
            {
                var echo = EchoAsync(server);
                var conn = await client.DialAsync(1);
                await conn.SendAsync(new ArraySegment<byte>(Encoding.UTF8.GetBytes("hello")));
                var message = await conn.ReceiveAsync();
                Assert.IsTrue(await client.ShutdownAsync());
                await echo;
                return Encoding.UTF8.GetString(message);
            }
        }

        private static async Task EchoAsync(EndPoint server)
        {
            var conn = await server.AcceptAsync();
            byte[] message;
            while ((message = await conn.ReceiveAsync()) != null)
            {
                await conn.SendAsync(new ArraySegment<byte>(message));
            }
        }
    }
}
