using System;
using System.Collections.Generic;
using Fastway.Multiplexing;
using NUnit.Framework;

namespace Fastway.Tests.Multiplexing
{
    /// <summary>When a gateway is pinged, and when it counts as gone, in virtual time.</summary>
    [TestFixture]
    public class KeepAliveTest
    {
        private KeepAlive _keepAlive;
        private long _now;
        private List<long> _pings;

        [Test]
        public void A_silent_gateway_is_pinged_at_the_second_look_and_gone_at_the_next()
        {
            Start(Session(10000, 1000));
            Assert.AreEqual(1500, RunToTheEnd());
            CollectionAssert.AreEqual(new[] { 1000 }, _pings);
        }

        [Test]
        public void A_gateway_that_falls_silent_at_any_time_is_gone_after_its_time_and_half_of_it_at_most()
        {
            foreach (var interval in new[] { 10000, 1000, 700, 300 })
            {
                for (var last = 1; last < 3000; last += 97)
                {
                    Start(Session(interval, 1000));
                    Run(last, true);
                    Assert.That(RunToTheEnd() - last, Is.InRange(1000, 1500));
                }
            }
        }

        [Test]
        public void A_gateway_that_answers_each_ping_is_never_gone()
        {
            Start(Session(10000, 1000));
            var answered = 0;
            for (var ms = 0; ms < 60 * 1000; ms++)
            {
                Assert.IsFalse(Turn());
                if (_pings.Count > answered && _now - _pings[answered] == 400)
                {
                    answered++;
                    _keepAlive.Heard();
                }
            }
            Assert.Greater(answered, 40);
        }

        [Test]
        public void A_gateway_that_is_heard_from_look_to_look_is_pinged_once_in_an_interval()
        {
            Start(Session(2000, 1000));
            Run(10 * 1000, true);
            CollectionAssert.AreEqual(new[] { 2000, 4000, 6000, 8000, 10000 }, _pings);
        }

        [Test]
        public void The_gateway_of_a_plain_link_is_pinged_in_each_interval_and_gone_some_after_the_first_without_an_answer()
        {
            Start(KeepAlive.For(new EndPointOptions { PingInterval = TimeSpan.FromSeconds(1), DeadAfterIntervals = 3 }));
            Run(1500, true);
            Assert.AreEqual(5000, RunToTheEnd());
            CollectionAssert.AreEqual(new[] { 1000, 2000, 3000, 4000 }, _pings);
        }

        [TestCase(3000, 500, 3500)]
        [TestCase(1000, 2500, 3500)]
        public void In_the_original_an_answer_has_a_time_of_its_own(int interval, int timeout, int gone)
        {
            Start(KeepAlive.Original(interval, timeout));
            Assert.AreEqual(gone, RunToTheEnd());
        }

        [Test]
        public void A_program_that_had_no_turn_for_long_asks_again_first()
        {
            Start(Session(10000, 1000));
            Run(1001, false);
            _now += 60 * 1000;
            var back = _now + 1;
            Assert.AreEqual(back + 1000, RunToTheEnd());
            CollectionAssert.Contains(_pings, back);
        }

        [Test]
        public void Where_pings_are_off_nobody_is_asked_and_nobody_gone()
        {
            Start(Session(0, 1000));
            Assert.IsFalse(_keepAlive.IsOn);
            Run(60 * 1000, false);
            Start(Session(10000, 1000));
            Run(700, false);
            _keepAlive.StopPings();
            Assert.IsFalse(_keepAlive.IsOn);
            Run(60 * 1000, false);
            CollectionAssert.IsEmpty(_pings);
        }

        private static KeepAlive Session(int pingInterval, int silentAfter)
        {
            var options = new EndPointOptions { PingInterval = TimeSpan.FromMilliseconds(pingInterval) };
            options.Session = SessionOptions.Secure(null);
            options.Session.SilentAfter = TimeSpan.FromMilliseconds(silentAfter);
            return KeepAlive.For(options);
        }

        private void Start(KeepAlive keepAlive)
        {
            _keepAlive = keepAlive;
            _now = 0;
            _pings = new List<long>();
            _keepAlive.Start(_now);
        }

        /// <summary>The gateway lives, and is heard or not.</summary>
        private void Run(int milliseconds, bool isHeard)
        {
            for (var ms = 0; ms < milliseconds; ms++)
            {
                Assert.IsFalse(Turn());
                if (isHeard)
                {
                    _keepAlive.Heard();
                }
            }
        }

        /// <summary>Says when the gateway counts as gone.</summary>
        private long RunToTheEnd()
        {
            for (var ms = 0; ms < 60 * 1000; ms++)
            {
                if (Turn())
                {
                    return _now;
                }
            }
            throw new AssertionException("it is never gone");
        }

        /// <summary>Says whether the gateway is gone.</summary>
        private bool Turn()
        {
            _now++;
            if (_keepAlive.IsSilent(_now))
            {
                return true;
            }
            if (_keepAlive.IsPingDue(_now))
            {
                _pings.Add(_now);
            }
            return false;
        }
    }
}
