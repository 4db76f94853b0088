using System;
using Fastway.Links;
using NUnit.Framework;

namespace Fastway.Tests.Links
{
    /// <summary>How long attempts are alone, by what answers took.</summary>
    [TestFixture]
    public class DelaysTest
    {
        private static readonly TimeSpan Longest = TimeSpan.FromSeconds(100);

        [TestCase(-1, 1000, 1000)]
        [TestCase(0, 500, 300)]
        [TestCase(10, 500, 300)]
        [TestCase(160, 500, 320)]
        [TestCase(1000, 3000, 2000)]
        public void They_follow_what_answers_took_and_double(int took, int unconnected, int connected)
        {
            for (var seed = 0; seed < 100; seed++)
            {
                var delays = new Delays(Longest, new Random(seed));
                if (took >= 0)
                {
                    delays.Learn(took);
                }
                Assert.AreEqual(connected, delays.LeastConnected);
                for (var growth = 1; growth <= 4; growth *= 2)
                {
                    delays.Begin(7);
                    Assert.That(delays.Due(false) - 7, Is.InRange(growth * unconnected / 2, growth * unconnected));
                    Assert.That(delays.Due(true) - 7, Is.InRange(growth * connected, growth * connected * 3 / 2));
                }
                delays.Reset();
                delays.Begin(7);
                Assert.That(delays.Due(false) - 7, Is.InRange(unconnected / 2, unconnected));
                Assert.That(delays.Due(true) - 7, Is.InRange(connected, connected * 3 / 2));
            }
        }

        [Test]
        public void An_answer_counts_half_and_as_twice_what_is_known_at_most()
        {
            var delays = new Delays(Longest, new Random(1));
            delays.Learn(1000);
            delays.Learn(2000);
            Assert.AreEqual(2 * 1500, delays.LeastConnected);
            delays.Learn(60 * 1000);
            Assert.AreEqual(1500 + (2 * 1500 + 100), delays.LeastConnected);
            delays.Learn(0);
            Assert.AreEqual(2300, delays.LeastConnected);
        }

        [Test]
        public void None_is_longer_than_an_attempt_may_take()
        {
            var delays = new Delays(TimeSpan.FromMilliseconds(800), new Random(1));
            delays.Learn(1000);
            for (var attempt = 1; attempt <= 5; attempt++)
            {
                delays.Begin(0);
                Assert.That(delays.Due(false), Is.InRange(400, 800));
                Assert.That(delays.Due(true), Is.InRange(800, 1200));
            }
        }
    }
}
