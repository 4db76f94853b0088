using System;
using Fastway.Links;
using NUnit.Framework;

namespace Fastway.Tests.Links
{
    /// <summary>How long attempts are alone, by what connecting and replies took.</summary>
    [TestFixture]
    public class DelaysTest
    {
        private const long Begun = 7;
        private static readonly TimeSpan Longest = TimeSpan.FromSeconds(100);

        /// <summary>A connection that was there as the attempt began.</summary>
        private static readonly Connected AtOnce = new Connected(null, Begun, Begun);

        [TestCase(new int[0], 1000, 1000)]
        [TestCase(new[] { 0, 0 }, 1000, 500)]
        [TestCase(new[] { 5, 10 }, 1000, 500)]
        [TestCase(new[] { 700, 10 }, 2100, 500)]
        [TestCase(new[] { 5, 900 }, 1000, 1800)]
        [TestCase(new[] { 5, 10, 700, 900 }, 2100, 1800)]
        [TestCase(new[] { 1000, 1000, 200, 200 }, 1800, 1200)]
        public void They_follow_what_connecting_and_replies_took_and_double(int[] answers, int unconnected, int connected)
        {
            for (var seed = 0; seed < 100; seed++)
            {
                var delays = new Delays(Longest, new Random(seed));
                for (var answer = 0; answer < answers.Length; answer += 2)
                {
                    delays.Learn(answers[answer], answers[answer + 1]);
                }
                Assert.AreEqual(connected, delays.LeastConnected);
                for (var growth = 1; growth <= 4; growth *= 2)
                {
                    delays.BeginBeside(Begun);
                    Assert.That(delays.Due(null) - Begun, Is.InRange(growth * unconnected / 2, growth * unconnected));
                    Assert.That(delays.Due(AtOnce) - Begun, Is.InRange(growth * connected, growth * connected * 3 / 2));
                }
                delays.Reset();
                delays.BeginBeside(Begun);
                Assert.That(delays.Due(null) - Begun, Is.InRange(unconnected / 2, unconnected));
                Assert.That(delays.Due(AtOnce) - Begun, Is.InRange(connected, connected * 3 / 2));
            }
        }

        [TestCase(0, 0, 1000, 1500)]
        [TestCase(0, 400, 400 + 1000, 400 + 1500)]
        [TestCase(-2000, -1900, 1000, 1500)]
        [TestCase(0, 2000, 2000 + 4000, 2000 + 4000)]
        [TestCase(-5000, -100, 2 * 4900, 2 * 4900)]
        public void One_beside_a_connection_counts_from_that_where_it_is_newer_and_is_twice_what_connecting_took_at_least(
            int began, int connected, int least, int most)
        {
            var delays = new Delays(Longest, new Random(1));
            delays.BeginBeside(Begun);
            var due = delays.Due(new Connected(null, Begun + began, Begun + connected));
            Assert.That(due - Begun, Is.InRange(least, most));
        }

        [Test]
        public void None_is_longer_than_an_attempt_may_take()
        {
            var delays = new Delays(TimeSpan.FromMilliseconds(800), new Random(1));
            delays.Learn(1000, 1000);
            for (var attempt = 1; attempt <= 5; attempt++)
            {
                delays.BeginBeside(Begun);
                Assert.That(delays.Due(null) - Begun, Is.InRange(400, 800));
                Assert.That(delays.Due(AtOnce) - Begun, Is.InRange(800, 1200));
            }
        }
    }
}
