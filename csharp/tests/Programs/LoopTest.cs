using System;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Programs
{
    [TestFixture]
    public class LoopTest : GatewayTest
    {
        [Test]
        public void A_game_loop_allocates_nothing()
        {
            var gateway = StartGateway();
            var loop = Owned(MonoProgram.Run(
                "fastway-loop.exe", gateway.Client + " " + gateway.Server + " \"" + Gateway.Key + "\" 1"));
            var report = loop.Output.ReadToEnd();
            Assert.AreEqual(0, loop.Wait(Patience), report);
            StringAssert.Contains("allocated  0 bytes, 0 collections", report);
        }
    }
}
