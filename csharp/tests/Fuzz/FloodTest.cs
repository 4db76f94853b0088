using System;
using System.IO;
using Fastway.Multiplexing;
using Fastway.Wire;
using NUnit.Framework;

namespace Fastway.Tests.Fuzz
{
    [TestFixture]
    public class FloodTest
    {
        /// <summary>Each of them is answered with a Close, since nothing is accepted.</summary>
        [Test]
        public void A_gateway_that_floods_with_connections_and_reads_nothing_is_given_up()
        {
            const int count = 200000;
            var bytes = new MemoryStream();
            var frame = new byte[Command.MaxFrameBytes];
            bytes.Write(frame, 0, Command.Ping().WriteFrame(frame, 0));
            for (uint id = 1; id <= count; id++)
            {
                bytes.Write(frame, 0, Command.Connect(id, 1).WriteFrame(frame, 0));
            }
            var options = new EndPointOptions { PendingAccepts = 0, SendBufferBytes = 1000 };
            var link = new BytesLink(bytes.ToArray(), 64 << 10) { TakesNothing = true };
            using (var end = new EndPoint(options, Role.Client, 0, null, link))
            {
                while (end.Failure == null)
                {
                    end.Poll();
                }
                Assert.AreEqual(LostReason.Protocol, end.Failure.Reason);
                StringAssert.Contains("answer", end.Failure.Message);
            }
        }
    }
}
