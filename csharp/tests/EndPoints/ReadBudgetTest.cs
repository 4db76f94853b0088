using System;
using Fastway.EndPoints;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    [TestFixture]
    public class ReadBudgetTest
    {
        private const long Second = 10 * 1000 * 1000;
        private const long Millisecond = Second / 1000;

        private readonly ReadBudget _budget = new ReadBudget(TimeSpan.FromMilliseconds(1), Second, 0);

        [Test]
        public void A_poll_reads_for_a_sixteenth_of_the_time_since_the_last_one_and_never_for_less_than_is_set()
        {
            Assert.AreEqual(1, MillisecondsFor(TimeSpan.FromMilliseconds(1)));
            Assert.AreEqual(1, MillisecondsFor(TimeSpan.FromMilliseconds(16)));
            Assert.AreEqual(5, MillisecondsFor(TimeSpan.FromMilliseconds(80)));
            Assert.AreEqual(31.25, MillisecondsFor(TimeSpan.FromMilliseconds(500)));
        }

        [Test]
        public void A_program_that_was_suspended_reads_for_a_bounded_time()
        {
            Assert.AreEqual(100, MillisecondsFor(TimeSpan.FromHours(8)));
        }

        [Test]
        public void A_longer_time_that_is_set_is_kept()
        {
            var budget = new ReadBudget(TimeSpan.FromSeconds(1), Second, 0);
            Assert.AreEqual(Second + 2 * Second, budget.Begin(2 * Second));
        }

        private double MillisecondsFor(TimeSpan sinceLast)
        {
            var last = Second;
            _budget.Begin(last);
            var now = last + sinceLast.Ticks;
            return (double)(_budget.Begin(now) - now) / Millisecond;
        }
    }
}
