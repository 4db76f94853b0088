using System;
using System.Collections.Generic;
using Fastway.Multiplexing;
using NUnit.Framework;

namespace Fastway.Tests.Fuzz
{
    /// <summary>
    /// Bytes that no gateway sends, and calls in any order: nothing is thrown, everything ends, and every end has a reason.
    /// </summary>
    [TestFixture]
    [Category("Computes")]
    public class EndPointFuzzTest
    {
        private const int Inputs = 100000;
        private const int MostPolls = 10000;

        [Test]
        public void Bad_bytes_end_in_a_typed_error()
        {
            var reasons = new Dictionary<LostReason, int>();
            for (var seed = 0; seed < Inputs; seed++)
            {
                LostReason reason;
                try
                {
                    reason = Try(new Random(seed));
                }
                catch (Exception error)
                {
                    Assert.Fail("seed " + seed + ": " + error);
                    return;
                }
                int count;
                reasons.TryGetValue(reason, out count);
                reasons[reason] = count + 1;
            }
            // The inputs reach behind the first answer, and not all of them are wrong.
            Assert.Greater(reasons[LostReason.Protocol], Inputs / 10);
            Assert.Greater(reasons[LostReason.ClosedByGateway], Inputs / 100);
            Assert.Greater(reasons[LostReason.NotAGateway], Inputs / 100);
        }

        private static LostReason Try(Random random)
        {
            var role = random.Next(8) == 0 ? Role.Server : Role.Client;
            var bytes = new BadGateway(random).Say(random.Next(4) > 0);
            var options = new EndPointOptions
            {
                ReceiveMessages = 4,
                ReceiveTotalBytes = 500,
                PendingAccepts = 2,
                WhenFull = random.Next(2) == 0 ? WhenFull.Hold : WhenFull.Close
            };
            using (var end = new EndPoint(options, role, 1, "key", new BytesLink(bytes, random)))
            {
                var user = new RandomUser(end, random);
                for (var polls = 0; end.Failure == null; polls++)
                {
                    Assert.Less(polls, MostPolls, "no end");
                    user.DoSomething();
                    end.Poll();
                }
                user.ReceiveAll();
                Assert.AreEqual(0, end.UnreadBytes);
                return end.Failure.Reason;
            }
        }
    }
}
