using System;
using System.Net.Sockets;
using System.Threading;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>The original's API, by a program for it and in its corners.</summary>
    [TestFixture]
    public class OriginalTest : GatewayTest
    {
        [Test]
        public void A_program_for_the_original_runs()
        {
            var gateway = StartGateway();
            Server(gateway, 10086).Accepted += conn => conn.Received += (from, message) => from.TrySend(message);
            var program = Owned(MonoProgram.Run("fastway-original.exe", gateway.Client.Replace(':', ' ') + " 10086"));
            var output = program.Output.ReadToEndAsync();
            Until("the program ends", () => output.IsCompleted);
            Assert.AreEqual("conn True to 10086: 200 messages, 0 timeouts\n", output.Result);
            Assert.AreEqual(0, program.Wait(Patience));
        }

        [Test]
        public void A_silent_gateway_is_told_to_the_callback_and_not_given_up()
        {
            using (var mute = new MuteGateway())
            {
                var told = 0;
                var end = new EndPoint(Connect(mute.Address), 20, 20, () => Interlocked.Increment(ref told));
                Owned(end);
                Until("it is told twice", () => Volatile.Read(ref told) >= 2);
                Assert.IsNull(end.Failure);
            }
        }

        [Test]
        public void A_stream_that_ends_ends_the_link()
        {
            var gateway = StartGateway();
            var end = Owned(new EndPoint(Connect(gateway.Client)));
            Until("it is ready", () => end.IsReady);
            gateway.Kill();
            Until("it ends", () => end.Failure != null);
            Assert.IsNull(end.Dial(1));
        }

        [Test]
        public void A_server_can_be_opened_over_a_stream()
        {
            var gateway = StartGateway();
            var server = Polled(EndPoint.OpenServer(Connect(gateway.Server), 5, Gateway.Key));
            Until("the server is ready", () => server.IsReady);
            Send(Client(gateway).Dial(5), "hello");
            Assert.AreEqual("hello", Receive(Accept(server)));
        }

        private static NetworkStream Connect(string address)
        {
            var parts = address.Split(':');
            return new TcpClient(parts[0], int.Parse(parts[1])).GetStream();
        }
    }
}
