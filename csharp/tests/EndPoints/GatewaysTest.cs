using System;
using System.Collections.Generic;
using System.Linq;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>Which gateway comes next, and after which pause.</summary>
    [TestFixture]
    public class GatewaysTest
    {
        private const int Jitter = 1000;
        private const int First = 100;
        private const int Longest = 10 * 1000;

        [Test]
        public void Players_who_are_told_of_a_drain_go_to_all_other_gateways_over_the_whole_jitter()
        {
            const int Players = 10 * 1000;
            var random = new Random(7);
            var came = new Dictionary<string, int> { { "a:1", 0 }, { "b:1", 0 }, { "c:1", 0 } };
            var tenths = new int[10];
            for (var player = 0; player < Players; player++)
            {
                var gateways = Three(random);
                var pause = Next(gateways, Drained());
                came[gateways.Address]++;
                tenths[Math.Min(9, (int)(pause * 10 / Jitter))]++;
                Assert.That(pause, Is.InRange(0, Jitter));
            }
            Assert.AreEqual(0, came["a:1"]);
            Assert.That(came["b:1"], Is.InRange(Players * 4 / 10, Players * 6 / 10));
            foreach (var within in tenths)
            {
                Assert.That(within, Is.InRange(Players * 7 / 100, Players * 13 / 100));
            }
        }

        [Test]
        public void Failures_before_a_drain_make_no_pause_longer()
        {
            var gateways = Three(new Random(7));
            for (var failure = 0; failure < 10; failure++)
            {
                gateways.Next(new LinkException(LostReason.Unreachable));
            }
            Assert.That(Next(gateways, Drained()), Is.InRange(0, Jitter));
            Assert.That(Next(gateways, new LinkException(LostReason.Unreachable)), Is.InRange(First / 2, First));
        }

        [Test]
        public void Every_other_gateway_is_asked_once_before_pauses_grow_while_all_drain()
        {
            var gateways = Three(new Random(7));
            var asked = new HashSet<string> { gateways.Address };
            var why = Drained();
            for (var other = 0; other < 2; other++)
            {
                Assert.That(Next(gateways, why), Is.InRange(0, Jitter));
                Assert.IsTrue(asked.Add(gateways.Address), gateways.Address);
                why = Refused();
            }
            var longest = Enumerable.Range(0, 60).Max(attempt => Next(gateways, Refused()));
            Assert.That(longest, Is.InRange(Longest / 2, Longest + Jitter));
        }

        [Test]
        public void The_only_gateway_is_asked_again_after_jitter_and_a_growing_pause()
        {
            var gateways = new Gateways(new[] { "a:1" }, new Random(7)) { DrainJitter = TimeSpan.Zero };
            Assert.That(Next(gateways, Drained()), Is.InRange(First / 2, First));
            for (var attempt = 0; attempt < 10; attempt++)
            {
                gateways.Next(Refused());
                Assert.AreEqual("a:1", gateways.Address);
            }
            Assert.That(Next(gateways, Refused()), Is.InRange(Longest / 2, Longest));
        }

        [Test]
        public void A_plain_link_that_the_gateway_closes_may_have_drained_and_so_goes_elsewhere()
        {
            var gateways = Three(new Random(7));
            gateways.Next(Ended(LostReason.ClosedByGateway));
            Assert.AreNotEqual("a:1", gateways.Address);
            // Nothing says that it has, so links that end at once are no way around the pauses.
            for (var end = 0; end < 10; end++)
            {
                gateways.Next(Ended(LostReason.ClosedByGateway));
            }
            Assert.That(Next(gateways, Ended(LostReason.ClosedByGateway)), Is.InRange(Longest / 2, Longest + Jitter));
        }

        [Test]
        public void A_network_that_fails_is_no_reason_to_leave_the_gateway_and_one_that_is_not_reached_is()
        {
            var gateways = Three(new Random(7));
            Assert.That(Next(gateways, Ended(LostReason.Silent)), Is.InRange(First / 2, First));
            Assert.AreEqual("a:1", gateways.Address);
            gateways.Next(new LinkException(LostReason.Unreachable));
            Assert.AreNotEqual("a:1", gateways.Address);
        }

        [Test]
        public void There_has_to_be_a_gateway_and_an_end()
        {
            Assert.Throws<ArgumentException>(() => new Gateways());
            Assert.Throws<ArgumentNullException>(() => new Gateways("a:1").Next(null));
        }

        private static Gateways Three(Random random)
        {
            return new Gateways(new[] { "a:1", "b:1", "c:1" }, random);
        }

        private static double Next(Gateways gateways, LinkException why)
        {
            return gateways.Next(why).TotalMilliseconds;
        }

        /// <summary>A link that was there for a moment.</summary>
        private static LinkException Ended(LostReason reason)
        {
            return new LinkException(reason) { Lived = TimeSpan.Zero };
        }

        private static LinkException Drained()
        {
            return new LinkException(LostReason.SessionAborted, null, null, true) { Lived = TimeSpan.Zero };
        }

        /// <summary>An attempt that was answered with draining.</summary>
        private static LinkException Refused()
        {
            return new LinkException(LostReason.TurnedAway, null, null, true);
        }
    }
}
