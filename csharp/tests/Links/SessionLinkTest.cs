using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using Fastway.Crypto;
using Fastway.Links;
using Fastway.Multiplexing;
using Fastway.Sessions;
using Fastway.Tests.Sessions;
using Fastway.Tests.Sessions.Acceptors;
using NUnit.Framework;

namespace Fastway.Tests.Links
{
    /// <summary>When a session looks for its gateway, and what it makes of the answers, in virtual time.</summary>
    [TestFixture]
    public class SessionLinkTest
    {
        private static readonly byte[] Challenge = { 0xa7, 1, 2, 3, 4, 5, 6, 7 };

        private readonly List<ScriptedTransport> _made = new List<ScriptedTransport>();
        private SecureAcceptor _acceptor;
        private readonly List<IPAddress> _asked = new List<IPAddress>();

        /// <summary>What listens at the address of the gateway, and where its name leads.</summary>
        private Func<ScriptedTransport> _listens;
        private Func<ScriptedTransport> _name;
        private SessionLink _link;
        private long _now;
        private int _read;

        [SetUp]
        public void Begin()
        {
            _made.Clear();
            _asked.Clear();
            _now = 1000;
            _read = 0;
            _acceptor = new SecureAcceptor(new SeededRandom(1).Draw(32), new SeededRandom(2), World.WaitSeconds);
            _listens = () => ScriptedTransport.To(_acceptor);
            _name = () => _listens();
        }

        [Test]
        public void A_transport_that_was_of_use_is_replaced_at_once_however_often_it_is_lost()
        {
            Open(SessionOptions.Secure(null));
            var began = _now;
            for (var cut = 1; cut <= 20; cut++)
            {
                Exchange();
                _made.Last().Cut();
                Step();
                Step();
                Assert.AreEqual(1 + cut, _made.Count);
            }
            Exchange();
            Assert.Less(_now - began, 20 * 10);
        }

        [Test]
        public void Bytes_that_only_go_out_make_a_transport_one_of_use()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            for (var cut = 1; cut <= 20; cut++)
            {
                Write(10);
                Step();
                _made.Last().Cut();
                Run(400);
                Assert.IsTrue(_link.IsLive, "it is back");
            }
        }

        [Test]
        public void A_transport_that_is_taken_and_dropped_again_is_not_replaced_at_once()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            var made = _made.Count;
            for (var ms = 0; ms < 10 * 1000; ms++)
            {
                if (_link.IsLive)
                {
                    _made.Last().Cut();
                }
                Run(1);
            }
            Assert.Less(_made.Count - made, 40);
        }

        [Test]
        public void A_gateway_that_starts_again_is_known_to_have_lost_the_session_within_about_a_second()
        {
            Open(SessionOptions.Secure(null));
            for (var outage = 100; outage <= 5000; outage += 700)
            {
                Begin();
                Open(SessionOptions.Secure(null));
                Exchange();
                _listens = ScriptedTransport.Dead;
                _made.Last().Cut();
                Run(outage);
                var after = new SecureAcceptor(new SeededRandom(3).Draw(32), new SeededRandom(4), World.WaitSeconds);
                _listens = () => ScriptedTransport.To(after);
                var back = _now;
                RunToTheEnd();
                Assert.AreEqual(LostReason.SessionRefused, _link.Failure.Reason);
                Assert.LessOrEqual(_now - back, 1200, "after an outage of {0} ms", outage);
            }
        }

        [Test]
        public void A_gateway_that_is_overloaded_is_asked_less_and_less_often_and_never_believed()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            _acceptor.Refusal = Status.Overloaded;
            _made.Last().Cut();
            var made = _made.Count;
            Run(10 * 1000);
            Assert.That(_made.Count - made, Is.InRange(10, 25));
            Assert.IsNull(_link.Failure);
            _acceptor.Refusal = 0;
            Run(1100);
            Assert.IsTrue(_link.IsLive);
        }

        [Test]
        public void A_gateway_that_is_overloaded_is_asked_again_no_earlier_than_it_says()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            Overload(700);
            _made.Last().Cut();
            RunToTheNextAttempt();
            var before = _now;
            for (var attempt = 1; attempt <= 5; attempt++)
            {
                RunToTheNextAttempt();
                Assert.That(_now - before, Is.InRange(700, 700 + 350 + 5), "attempt {0}", attempt);
                before = _now;
            }
            _acceptor.Refusal = 0;
            Run(1100);
            Assert.IsTrue(_link.IsLive);
            Exchange();
        }

        [Test]
        public void A_gateway_cannot_send_a_session_away_for_longer_than_its_longest_pause()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            Overload(ushort.MaxValue);
            _made.Last().Cut();
            Run(10);
            var made = _made.Count;
            Run(10 * 1500);
            Assert.That(_made.Count - made, Is.InRange(9, 15));
        }

        [Test]
        public void A_session_outlives_its_wait_time_while_the_gateway_says_when_to_come_again()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            Overload(900);
            _made.Last().Cut();
            Run(3 * 1000 * (int)World.WaitSeconds);
            Assert.IsNull(_link.Failure);
        }

        [TestCase(true)]
        [TestCase(false)]
        public void A_session_that_an_overloaded_gateway_kept_out_until_its_end_says_so(bool saysWhen)
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            Overload(900);
            _acceptor.RefusalTail = saysWhen ? _acceptor.RefusalTail : new byte[0];
            _made.Last().Cut();
            Run(10);
            _listens = ScriptedTransport.Dead;
            RunToTheEnd(2 * 1000 * (int)World.WaitSeconds);
            Says(LostReason.SessionRefused, "the gateway is overloaded");
        }

        [TestCase(new byte[] { 7 })]
        [TestCase(new byte[] { 7, 44, 1 })]
        public void An_overloaded_gateway_is_not_taken_for_one_that_opens_no_sessions(byte[] refusal)
        {
            _listens = () => ScriptedTransport.Saying(refusal);
            Connect(Role.Client, SessionOptions.Secure(null));
            Run(10 * 1000);
            Assert.Greater(_made.Count, 5);
            Assert.IsNull(_link.Failure);
            StringAssert.Contains("the gateway is overloaded", _link.Trouble);
            _listens = () => ScriptedTransport.To(_acceptor);
            Run(2000);
            Assert.IsTrue(_link.IsLive);
        }

        [TestCase(false, false, "a secure session", "--client-link")]
        [TestCase(false, true, "a legacy session", "--client-link")]
        [TestCase(true, false, "a secure session", "--server-link")]
        public void A_port_that_closes_without_an_answer_is_told_with_what_to_set(
            bool isServer, bool isLegacy, string kind, string flag)
        {
            _listens = () => ScriptedTransport.Saying();
            var began = _now;
            Connect(isServer ? Role.Server : Role.Client, isLegacy ? SessionOptions.Legacy(false) : SessionOptions.Secure(null));
            RunToTheEnd();
            Says(LostReason.TurnedAway, kind, flag, "EndPointOptions.Session");
            Assert.AreEqual(4, _made.Count);
            Assert.LessOrEqual(_now - began, 200);
        }

        [TestCase(false)]
        [TestCase(true)]
        public void A_server_port_for_plain_links_is_known_by_its_challenge(bool isLegacy)
        {
            // A legacy opening is shorter than a server's answer, so such a port waits for more.
            _listens = () => isLegacy ? ScriptedTransport.Waiting(Challenge) : ScriptedTransport.Saying(Challenge);
            Connect(Role.Server, isLegacy ? SessionOptions.Legacy(true) : SessionOptions.Secure(null));
            RunToTheEnd();
            Says(LostReason.NotAdmitted, "it admits plain links", isLegacy ? "a legacy session" : "a secure session",
                "--server-link", "EndPointOptions.Session");
            Assert.LessOrEqual(_made.Count, 4);
        }

        [Test]
        public void An_answer_that_is_none_of_a_gateway_is_told()
        {
            _listens = () => ScriptedTransport.Saying((byte)'H', (byte)'T', (byte)'T', (byte)'P');
            Connect(Role.Client, SessionOptions.Secure(null));
            RunToTheEnd();
            Says(LostReason.NotAGateway, "a secure session");
        }

        [Test]
        public void A_single_end_without_an_answer_is_not_believed()
        {
            var dropped = 0;
            _listens = () => dropped++ < 3 ? ScriptedTransport.Saying() : ScriptedTransport.To(_acceptor);
            Open(SessionOptions.Secure(null));
            Exchange();
            Assert.AreEqual(4, _made.Count);
        }

        [Test]
        public void A_port_for_other_sessions_is_told_with_what_to_set()
        {
            _listens = () => ScriptedTransport.Saying(Status.NotAdmitted);
            Connect(Role.Client, SessionOptions.Secure(null));
            RunToTheEnd();
            Says(LostReason.NotAdmitted, "a secure session", "--client-link", "EndPointOptions.Session");
            StringAssert.DoesNotContain("--session-key", _link.Failure.Message);
        }

        [Test]
        public void A_key_that_is_pinned_may_be_why_a_session_is_not_admitted()
        {
            _listens = () => ScriptedTransport.Saying(Status.NotAdmitted);
            Connect(Role.Client, SessionOptions.Secure(X25519.PublicKey(new SeededRandom(5).Draw(32))));
            RunToTheEnd();
            Says(LostReason.NotAdmitted, "--session-key");
        }

        [Test]
        public void A_gateway_with_another_key_is_told()
        {
            Connect(Role.Client, SessionOptions.Secure(X25519.PublicKey(new SeededRandom(5).Draw(32))));
            RunToTheEnd();
            Says(LostReason.WrongGatewayKey, "key that is pinned");
        }

        [TestCase(AbortReason.Unspecified, LostReason.SessionAborted, "no reason given")]
        [TestCase(AbortReason.PeerFault, LostReason.SessionAborted, "the other end broke the protocol")]
        [TestCase(AbortReason.Shutdown, LostReason.SessionAborted, "the gateway stops")]
        [TestCase(AbortReason.Overflow, LostReason.SessionAborted, "a bound was exceeded")]
        [TestCase(AbortReason.Operator, LostReason.SessionAborted, "an operator decided so")]
        [TestCase(AbortReason.TooSlow, LostReason.TooSlow, "the receiver was too slow")]
        [TestCase(AbortReason.Replaced, LostReason.Replaced, "a newer link registered the same server ID")]
        [TestCase((byte)7, LostReason.SessionAborted, "reason 7")]
        [TestCase((byte)200, LostReason.SessionAborted, "reason 200")]
        public void A_session_that_the_gateway_ends_says_the_real_reason(byte abort, LostReason reason, string words)
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            Abort(abort);
            RunToTheEnd();
            Says(reason, words);
            Assert.AreEqual(abort == AbortReason.Shutdown, _link.Failure.IsDraining);
        }

        [TestCase(Status.Draining, true, "the gateway is about to stop")]
        [TestCase(Status.Unknown, false, "no session has this id")]
        public void Resumes_that_are_answered_with_draining_end_the_session_with_the_reason(
            byte refusal, bool isDraining, string words)
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            var made = _made.Count;
            _acceptor.Refusal = refusal;
            _made.Last().Cut();
            RunToTheEnd();
            Says(LostReason.SessionRefused, words);
            Assert.AreEqual(isDraining, _link.Failure.IsDraining);
            // One answer may be forged.
            Assert.AreEqual(4, _made.Count - made);
        }

        [Test]
        public void An_open_that_is_answered_with_draining_is_told_from_failures()
        {
            Connect(Role.Client, SessionOptions.Secure(null));
            _listens = () => ScriptedTransport.Saying(Status.Draining);
            RunToTheEnd();
            Says(LostReason.TurnedAway, "the gateway is about to stop");
            Assert.IsTrue(_link.Failure.IsDraining);
        }

        [Test]
        public void A_reason_that_comes_behind_the_reply_to_a_resume_is_told()
        {
            Open(SessionOptions.Secure(null));
            Exchange();
            _made.Last().Cut();
            Step();
            for (var ms = 0; ms < 1000 && (_made.Count < 2 || _made.Last().Cable.Session == null); ms++)
            {
                _now++;
                Step(false);
            }
            Abort(AbortReason.TooSlow);
            RunToTheEnd();
            Says(LostReason.TooSlow, "the receiver was too slow");
        }

        [Test]
        public void A_resume_that_nobody_answers_gets_another_attempt_beside_it()
        {
            Open(NeverInTime());
            Exchange();
            for (var silent = 1; silent <= 2; silent++)
            {
                AreSilent(silent);
                _made.Last().Cut();
                Run(5 * 1000);
                Assert.IsTrue(_link.IsLive, "behind {0} silent ones", silent);
                Exchange();
            }
        }

        [Test]
        public void An_open_that_nobody_answers_gets_another_attempt_beside_it()
        {
            AreSilent(1);
            Connect(Role.Client, NeverInTime());
            Run(2 * 1000);
            Assert.IsTrue(_link.IsLive);
            Assert.AreEqual(2, _made.Count);
            Exchange();
        }

        [Test]
        public void There_are_only_a_few_opens_at_a_time_and_none_is_given_up()
        {
            AreSilent(int.MaxValue);
            Connect(Role.Client, NeverInTime());
            Run(490);
            Assert.AreEqual(1, _made.Count);
            Run(30 * 1000);
            Assert.AreEqual(3, _made.Count);
            Assert.IsFalse(_made.Exists(made => made.HasEnded));
        }

        [TestCase(false)]
        [TestCase(true)]
        public void A_fourth_resume_takes_the_place_of_the_oldest_under_way(bool isLegacy)
        {
            OpenAndExchange(isLegacy);
            var listens = _listens;
            AreSilent(int.MaxValue);
            var lost = _made.Count;
            _made.Last().Cut();
            for (var attempt = 1; attempt <= 5; attempt++)
            {
                RunToTheNextAttempt();
                var underWay = _made.Skip(lost).Where(made => !made.HasEnded).ToArray();
                CollectionAssert.AreEqual(_made.Skip(Math.Max(lost, _made.Count - 3)), underWay);
            }
            _listens = listens;
            Run(15 * 1000);
            Assert.IsTrue(_link.IsLive);
        }

        [TestCase(1000)]
        [TestCase(2000)]
        public void The_delays_double_and_begin_with_the_first_again_after_an_attempt_that_was_cut(int last)
        {
            Open(NeverInTime());
            Exchange();
            AreSilent(int.MaxValue);
            _made.Last().Cut();
            RunToTheNextAttempt();
            for (var round = 1; round <= 3; round++)
            {
                for (var delay = 500; delay <= last; delay *= 2)
                {
                    var before = _now;
                    RunToTheNextAttempt();
                    Assert.That(_now - before, Is.InRange(delay, delay * 3 / 2 + 5), "round {0}", round);
                }
                _made.Last().Cut();
                RunToTheNextAttempt();
            }
        }

        [Test]
        public void An_attempt_that_newer_ones_have_overtaken_asks_for_no_further_one()
        {
            Open(NeverInTime());
            Exchange();
            var isFirst = true;
            _listens = () =>
            {
                var made = isFirst ? ScriptedTransport.Saying(Status.StaleAttempt) : ScriptedTransport.Waiting();
                made.IsHeld = isFirst;
                isFirst = false;
                return made;
            };
            _made.Last().Cut();
            RunToTheNextAttempt();
            var overtaken = _made.Last();
            RunToTheNextAttempt();
            var before = _now;
            overtaken.IsHeld = false;
            Run(2);
            Assert.IsTrue(overtaken.HasEnded);
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(1000, 1500 + 5));
        }

        [Test]
        public void No_attempt_is_made_beside_others_before_the_time_that_an_overloaded_gateway_has_named()
        {
            var session = NeverInTime();
            session.LongestPause = TimeSpan.FromSeconds(10);
            Open(session);
            Exchange();
            Overload(5000);
            _made.Last().Cut();
            RunToTheNextAttempt();
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(5000, 7500 + 5));
        }

        [Test]
        public void An_attempt_that_has_a_connection_is_alone_for_a_second()
        {
            AreSilent(int.MaxValue);
            Connect(Role.Client, NeverInTime());
            RunToTheNextAttempt();
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(1000, 1500 + 5));
            before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(2000, 3000 + 5));
        }

        [Test]
        public void An_attempt_without_a_connection_is_alone_for_a_second_at_most()
        {
            _listens = ScriptedTransport.Lost;
            Connect(Role.Client, NeverInTime());
            RunToTheNextAttempt();
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(500, 1000 + 5));
        }

        [Test]
        public void An_attempt_without_a_connection_is_alone_for_half_a_second_at_least_however_fast_answers_came()
        {
            Open(NeverInTime());
            Exchange();
            _listens = ScriptedTransport.Lost;
            _made.Last().Cut();
            RunToTheNextAttempt();
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(500, 1000 + 5));
        }

        [TestCase(450, 0, 675, 1350, 500, 750)]
        [TestCase(0, 450, 500, 1000, 900, 1350)]
        public void The_delays_follow_what_the_last_connect_and_the_last_reply_took(
            int connect, int reply, int unconnectedLeast, int unconnectedMost, int connectedLeast, int connectedMost)
        {
            foreach (var isConnected in new[] { false, true })
            {
                Begin();
                Open(NeverInTime());
                Exchange();
                _listens = () =>
                {
                    var made = ScriptedTransport.To(_acceptor);
                    made.IsLost = made.IsHeld = true;
                    return made;
                };
                _made.Last().Cut();
                RunToTheNextAttempt();
                Run(connect);
                _made.Last().IsLost = false;
                Run(reply);
                _made.Last().IsHeld = false;
                Exchange();
                _listens = isConnected ? (Func<ScriptedTransport>)(() => ScriptedTransport.Waiting()) : ScriptedTransport.Lost;
                _made.Last().Cut();
                RunToTheNextAttempt();
                var before = _now;
                RunToTheNextAttempt();
                Assert.That(_now - before, isConnected
                    ? Is.InRange(connectedLeast, connectedMost + 5)
                    : Is.InRange(unconnectedLeast, unconnectedMost + 5));
            }
        }

        [Test]
        public void A_connection_that_took_long_puts_the_next_attempt_off_from_then_on()
        {
            _listens = () =>
            {
                var made = ScriptedTransport.Waiting();
                made.IsLost = true;
                return made;
            };
            Connect(Role.Client, NeverInTime());
            RunToTheNextAttempt();
            Run(450);
            _made.Last().IsLost = false;
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(1000, 1500 + 5));
        }

        [TestCase(true, 0)]
        [TestCase(true, 1)]
        [TestCase(true, 2)]
        [TestCase(false, 0)]
        [TestCase(false, 1)]
        [TestCase(false, 2)]
        public void Attempts_without_a_connection_are_given_up_for_the_first_that_gets_one(bool isOpen, int first)
        {
            var attempts = ThreeWithoutAConnection(isOpen);
            attempts[first].IsHeld = true;
            attempts[first].IsLost = false;
            Run(2);
            foreach (var attempt in attempts)
            {
                Assert.AreEqual(attempt != attempts[first], attempt.HasEnded);
            }
            var count = _made.Count;
            Run(400);
            Assert.AreEqual(count, _made.Count);
            attempts[first].IsHeld = false;
            Run(2);
            Assert.IsTrue(_link.IsLive);
            Exchange();
            Assert.AreEqual(count, _made.Count);
        }

        [Test]
        public void An_attempt_to_replace_a_transport_gives_up_those_without_a_connection_as_it_gets_one()
        {
            Open(NeverInTime());
            Exchange();
            _made.Last().Cut();
            var silent = FallSilent();
            _listens = ScriptedTransport.Lost;
            RunToTheNextAttempt();
            var unconnected = _made.Last();
            _listens = () =>
            {
                var made = ScriptedTransport.To(_acceptor);
                made.IsHeld = true;
                return made;
            };
            RunToTheNextAttempt();
            Run(2);
            Assert.IsFalse(_link.IsLive);
            Assert.IsTrue(silent.HasEnded);
            Assert.IsTrue(unconnected.HasEnded);
            _made.Last().IsHeld = false;
            Run(2);
            Assert.IsTrue(_link.IsLive);
            Exchange();
        }

        [Test]
        public void An_attempt_that_begins_beside_one_with_a_connection_has_time_to_get_one_of_its_own()
        {
            var isFirst = true;
            _listens = () =>
            {
                var made = isFirst ? ScriptedTransport.Waiting() : ScriptedTransport.Lost();
                isFirst = false;
                return made;
            };
            Connect(Role.Client, NeverInTime());
            RunToTheNextAttempt();
            RunToTheNextAttempt();
            Run(900);
            Assert.IsFalse(_made.Exists(made => made.HasEnded));
        }

        [Test]
        public void An_attempt_that_is_led_to_another_gateway_gives_up_no_other()
        {
            OpenAt("10.0.0.1");
            _listens = ScriptedTransport.Lost;
            _name = () => ScriptedTransport.Waiting().At("10.0.0.2");
            _made.Last().Cut();
            RunToTheNextAttempt();
            var toTheGateway = _made.Last();
            RunToTheNextAttempt();
            Run(10);
            Assert.IsTrue(_made.Last().IsOpen);
            Assert.IsFalse(toTheGateway.HasEnded);
        }

        /// <summary>Three attempts are under way, none of which has a connection; they lead to the acceptor.</summary>
        private ScriptedTransport[] ThreeWithoutAConnection(bool isOpen)
        {
            if (!isOpen)
            {
                Open(NeverInTime());
                Exchange();
            }
            var before = _made.Count;
            _listens = () =>
            {
                var made = ScriptedTransport.To(_acceptor);
                made.IsLost = true;
                return made;
            };
            if (isOpen)
            {
                Connect(Role.Client, NeverInTime());
            }
            else
            {
                _made.Last().Cut();
            }
            for (var attempt = 1; attempt <= 3; attempt++)
            {
                RunToTheNextAttempt();
            }
            return _made.Skip(before).ToArray();
        }

        [TestCase(false)]
        [TestCase(true)]
        public void A_transport_that_falls_silent_behind_the_reply_is_replaced_soon(bool isLegacy)
        {
            OpenAndExchange(isLegacy);
            _made.Last().Cut();
            var silent = FallSilent();
            var before = _now;
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(500, 750 + 5));
            Run(2);
            Assert.IsTrue(_link.IsLive);
            Assert.IsTrue(silent.HasEnded);
            Assert.IsFalse(_made.Last().HasEnded);
            for (var told = 1; told <= 2; told++)
            {
                Assert.AreEqual(LinkChange.Interrupted, _link.TakeChange());
                Assert.AreEqual(LinkChange.Resumed, _link.TakeChange());
            }
            Assert.AreEqual(LinkChange.None, _link.TakeChange());
        }

        [Test]
        public void A_transport_that_is_confirmed_before_another_one_has_its_connection_goes_on()
        {
            Open(NeverInTime());
            Exchange();
            _made.Last().Cut();
            var late = FallSilent();
            _listens = ScriptedTransport.Lost;
            RunToTheNextAttempt();
            RunToTheNextAttempt();
            Assert.IsTrue(_link.IsLive);
            late.IsHeld = false;
            Run(60 * 1000);
            Assert.IsTrue(_made.Skip(2).All(made => made == late || made.HasEnded));
            Assert.AreEqual(LinkChange.Interrupted, _link.TakeChange());
            Assert.AreEqual(LinkChange.Resumed, _link.TakeChange());
            Assert.AreEqual(LinkChange.None, _link.TakeChange(), "nothing was interrupted");
            var count = _made.Count;
            Exchange();
            Assert.AreEqual(count, _made.Count);
            Assert.IsFalse(late.HasEnded);
        }

        [Test]
        public void A_transport_that_ends_while_it_is_replaced_costs_no_further_attempt()
        {
            Open(NeverInTime());
            Exchange();
            _made.Last().Cut();
            var silent = FallSilent();
            _listens = ScriptedTransport.Lost;
            RunToTheNextAttempt();
            var before = _now;
            silent.Cut();
            Run(1);
            Assert.IsFalse(_link.IsLive);
            RunToTheNextAttempt();
            Assert.That(_now - before, Is.InRange(500, 1000 + 5));
            Assert.AreEqual(2, _made.Count(made => !made.HasEnded));
        }

        [Test]
        public void An_attempt_to_replace_a_transport_goes_where_the_name_leads_after_the_gateway_was_not_reached()
        {
            OpenAt("10.0.0.1");
            _made.Last().Cut();
            FallSilent();
            _listens = ScriptedTransport.Lost;
            _name = () => ScriptedTransport.To(_acceptor);
            RunToTheNextAttempt();
            RunToTheNextAttempt();
            CollectionAssert.AreEqual(
                new[] { null, IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.1"), null }, _asked);
            Run(2);
            Assert.IsTrue(_link.IsLive);
            Exchange();
        }

        [Test]
        public void A_transport_has_twice_as_long_as_the_one_before_that_was_not_confirmed()
        {
            var session = NeverInTime();
            session.SilentAfter = TimeSpan.FromSeconds(2);
            Open(session);
            for (var round = 1; round <= 2; round++)
            {
                Exchange();
                _made.Last().Cut();
                foreach (var time in new[] { 500, 1000, 2000, 2000 })
                {
                    var silent = FallSilent();
                    var before = _now;
                    RunToTheNextAttempt();
                    Assert.That(_now - before, Is.InRange(time, time * 3 / 2 + 5), "round {0}", round);
                    Assert.IsTrue(silent.HasEnded);
                }
            }
        }

        [Test]
        public void A_transport_is_not_replaced_while_the_link_is_not_read()
        {
            Open(NeverInTime());
            Exchange();
            _made.Last().Cut();
            var held = FallSilent();
            var count = _made.Count;
            for (var ms = 0; ms < 10 * 1000; ms++)
            {
                _now++;
                Step(false);
            }
            // What the gateway had to say then may be on its way.
            Step();
            held.IsHeld = false;
            Run(60 * 1000);
            Assert.AreEqual(count, _made.Count);
            Exchange();
            Assert.IsFalse(held.HasEnded);
        }

        [Test]
        public void A_transport_that_was_given_no_ping_is_not_replaced()
        {
            Open(NeverInTime());
            Exchange();
            _made.Last().Cut();
            FallSilent(false);
            var count = _made.Count;
            Run(60 * 1000);
            Assert.AreEqual(count, _made.Count);
            Assert.IsTrue(_link.IsLive);
        }

        [Test]
        public void A_transport_that_the_gateway_has_not_confirmed_is_not_replaced_at_once()
        {
            Open(NeverInTime());
            Exchange();
            // The gateway has what is sent, and says so with its reply to the next resume alone.
            _made.Last().IsHeld = true;
            Write(10);
            _made.Last().Cut();
            FallSilent(false);
            var pauses = 0L;
            for (var cut = 1; cut <= 5; cut++)
            {
                Write(10);
                var before = _now;
                _made.Last().Cut();
                FallSilent(false);
                pauses += _now - before;
            }
            Assert.Greater(pauses, (50 + 100 + 200 + 400) / 2, "they grow");
        }

        /// <summary>The session goes on by a new transport, on which nothing more is heard. It is given a ping unless pings are
        /// off.</summary>
        private ScriptedTransport FallSilent(bool isPinged = true)
        {
            for (var ms = 0; ms < 5000 && (_made.Last().HasEnded || !_link.TakeNewTransport()); ms++)
            {
                Run(1);
            }
            Assert.IsTrue(_link.IsLive);
            _made.Last().IsHeld = true;
            if (isPinged)
            {
                Write(10);
                _link.ExpectConfirmation(_now);
            }
            return _made.Last();
        }

        /// <summary>A session of either kind that is open, and attempts that are never over in time.</summary>
        private void OpenAndExchange(bool isLegacy)
        {
            if (isLegacy)
            {
                OpenLegacy();
            }
            else
            {
                Open(NeverInTime());
                Exchange();
            }
        }

        /// <summary>Opens a legacy session, by which something came.</summary>
        private void OpenLegacy()
        {
            var acceptor = new LegacyAcceptor(false, new SeededRandom(6));
            var session = SessionOptions.Legacy(false);
            session.AttemptTimeout = TimeSpan.FromHours(1);
            _listens = () => ScriptedTransport.To(acceptor);
            Connect(Role.Client, session);
            Run(10);
            acceptor.Established.Write(new byte[10]);
            Run(1);
            Assert.AreEqual(10, _read);
        }

        [TestCase(true, false)]
        [TestCase(true, true)]
        [TestCase(false, false)]
        [TestCase(false, true)]
        public void A_refusal_of_one_attempt_leaves_the_one_beside_it(bool isOpen, bool isOlder)
        {
            if (!isOpen)
            {
                Open(NeverInTime());
                Exchange();
                _made.Last().Cut();
            }
            var first = _made.Count;
            var refuses = isOlder;
            _listens = () =>
            {
                var made = refuses ? ScriptedTransport.Saying(Status.Overloaded, 0xff, 0xff) : ScriptedTransport.To(_acceptor);
                refuses = !refuses;
                made.IsHeld = true;
                return made;
            };
            if (isOpen)
            {
                Connect(Role.Client, NeverInTime());
            }
            for (var ms = 0; ms < 5000 && _made.Count < first + 2; ms++)
            {
                Run(1);
            }
            _made[first + (isOlder ? 0 : 1)].IsHeld = false;
            Run(2);
            StringAssert.Contains("the gateway is overloaded", _link.Trouble);
            _made[first + (isOlder ? 1 : 0)].IsHeld = false;
            Run(2);
            Assert.IsTrue(_link.IsLive);
            Assert.AreEqual(first + 2, _made.Count);
            Exchange();
        }

        [Test]
        public void Refusals_of_a_legacy_session_leave_the_attempt_that_they_are_beside()
        {
            OpenLegacy();
            var listens = _listens;
            var isFirst = true;
            _listens = () =>
            {
                var made = isFirst ? listens() : ScriptedTransport.Saying(new byte[24]);
                made.IsHeld = isFirst;
                isFirst = false;
                return made;
            };
            var first = _made.Count;
            _made.Last().Cut();
            for (var ms = 0; ms < 5000 && _made.Count < first + 3; ms++)
            {
                Run(1);
            }
            Assert.Less(first + 2, _made.Count, "two were refused");
            Assert.IsFalse(_made[first].HasEnded);
            _made[first].IsHeld = false;
            Run(2);
            Assert.IsTrue(_link.IsLive);
        }

        [Test]
        public void A_newer_attempt_that_took_the_place_of_the_answered_one_at_the_gateway_goes_on()
        {
            Open(NeverInTime());
            Exchange();
            for (var goesOn = 1; goesOn <= 5; goesOn++)
            {
                var older = ResumeByTwo(() => ScriptedTransport.To(_acceptor));
                var newer = _made.Last();
                var made = _made.Count;
                older.IsHeld = false;
                Step();
                Assert.IsTrue(_link.IsLive);
                _acceptor.Established.Write(new byte[10]);
                newer.IsHeld = false;
                Step();
                Step();
                Assert.IsTrue(_link.IsLive);
                Assert.AreEqual(LinkChange.Interrupted, _link.TakeChange());
                Assert.AreEqual(LinkChange.Resumed, _link.TakeChange());
                Assert.AreEqual(LinkChange.None, _link.TakeChange(), "nobody has to hear of that");
                Exchange();
                Assert.AreEqual(made, _made.Count);
                Assert.IsFalse(newer.HasEnded);
                Assert.IsTrue(older.HasEnded);
            }
        }

        [Test]
        public void A_newer_attempt_goes_on_though_the_answered_one_was_made_beside_one_before_it()
        {
            Open(NeverInTime());
            Exchange();
            ResumeByTwo(() => ScriptedTransport.To(_acceptor)).Cut();
            var answered = _made.Last();
            RunToTheNextAttempt();
            Run(1);
            var newest = _made.Last();
            answered.IsHeld = false;
            Step();
            Assert.IsTrue(answered.HasEnded, "the gateway has closed it");
            newest.IsHeld = false;
            Step();
            Step();
            Assert.IsTrue(_link.IsLive);
            Exchange();
            Assert.AreSame(newest, _made.Last());
            Assert.IsFalse(newest.HasEnded);
        }

        [Test]
        public void A_newer_attempt_is_waited_for_when_the_answered_one_is_lost()
        {
            Open(NeverInTime());
            Exchange();
            var older = ResumeByTwo(() => ScriptedTransport.To(_acceptor));
            var newer = _made.Last();
            var made = _made.Count;
            older.IsHeld = false;
            Run(2);
            Assert.IsTrue(older.HasEnded, "the gateway has closed it");
            Run(498);
            Assert.AreEqual(made, _made.Count, "another one would take the place of the newer one");
            newer.IsHeld = false;
            Step();
            Exchange();
            Assert.AreEqual(made, _made.Count);
            Assert.IsFalse(newer.HasEnded);
        }

        [Test]
        public void Another_attempt_is_made_beside_a_newer_one_that_stays_unanswered_after_the_answered_one_is_lost()
        {
            Open(NeverInTime());
            Exchange();
            ResumeByTwo(() => ScriptedTransport.To(_acceptor)).IsHeld = false;
            Step();
            _listens = () => ScriptedTransport.To(_acceptor);
            RunToTheNextAttempt();
            Exchange();
        }

        [TestCase(true)]
        [TestCase(false)]
        public void A_newer_attempt_stays_until_two_round_trips_later_or_the_first_acknowledgement(bool isAcknowledged)
        {
            Open(NeverInTime());
            Exchange();
            long? asked = null;
            var older = ResumeByTwo(() =>
            {
                var made = asked == null ? ScriptedTransport.To(_acceptor) : ScriptedTransport.Waiting();
                asked = asked ?? _now;
                return made;
            });
            var newer = _made.Last();
            older.IsHeld = false;
            Step();
            Assert.IsTrue(_link.IsLive);
            Assert.IsFalse(newer.HasEnded);
            if (isAcknowledged)
            {
                Exchange();
                Step();
            }
            else
            {
                // It was connected at once, as by a proxy nearby.
                Run(2 * (int)(_now - asked.Value) - 1);
                Assert.IsFalse(newer.HasEnded);
                Run(1);
            }
            Assert.IsTrue(newer.HasEnded);
            Exchange();
            Assert.IsFalse(older.HasEnded);
        }

        /// <summary>The transport is lost, and two attempts to resume are under way, of which the older one is returned. Nothing
        /// of what comes by them can be read yet.</summary>
        private ScriptedTransport ResumeByTwo(Func<ScriptedTransport> listens)
        {
            _listens = () =>
            {
                var made = listens();
                made.IsHeld = true;
                return made;
            };
            var first = _made.Count;
            _made.Last().Cut();
            for (var ms = 0; ms < 5000 && _made.Count < first + 2; ms++)
            {
                Run(1);
            }
            Run(1);
            Assert.AreEqual(first + 2, _made.Count);
            return _made[first];
        }

        [Test]
        public void A_change_of_the_network_gives_up_as_many_attempts_as_may_be()
        {
            Open(NeverInTime());
            Exchange();
            AreSilent(3);
            var made = _made.Count;
            _made.Last().Cut();
            for (var attempt = 1; attempt <= 3; attempt++)
            {
                RunToTheNextAttempt();
            }
            _link.NetworkChanged(_now);
            Run(2);
            Assert.AreEqual(made + 4, _made.Count);
            Assert.IsTrue(_link.IsLive);
            Assert.IsTrue(_made.Skip(made).Take(3).All(given => given.HasEnded));
        }

        [Test]
        public void A_gateway_that_is_silent_is_asked_again_and_not_another_one_behind_its_name()
        {
            OpenAt("10.0.0.1");
            AreSilent(2);
            LeadAstray();
            _made.Last().Cut();
            Run(5 * 1000);
            Assert.IsTrue(_link.IsLive);
            Assert.That(_asked.Skip(1), Is.All.EqualTo(IPAddress.Parse("10.0.0.1")));
            Exchange();
        }

        [Test]
        public void An_attempt_beside_one_without_a_connection_goes_where_the_name_leads()
        {
            OpenAt("10.0.0.1");
            _listens = ScriptedTransport.Lost;
            _name = () => ScriptedTransport.To(_acceptor);
            _made.Last().Cut();
            Run(1000 + 10);
            Assert.IsTrue(_link.IsLive);
            CollectionAssert.AreEqual(new[] { null, IPAddress.Parse("10.0.0.1"), null }, _asked);
            Exchange();
        }

        [Test]
        public void An_attempt_goes_where_the_name_leads_after_the_gateway_was_not_reached()
        {
            OpenAt("10.0.0.1");
            _listens = ScriptedTransport.Dead;
            _name = () => ScriptedTransport.To(_acceptor);
            _made.Last().Cut();
            Run(1000);
            Assert.IsTrue(_link.IsLive);
            CollectionAssert.AreEqual(new[] { null, IPAddress.Parse("10.0.0.1"), null }, _asked);
        }

        [Test]
        public void A_name_that_leads_to_another_gateway_is_left_alone_for_a_while()
        {
            OpenAt("10.0.0.1");
            _listens = ScriptedTransport.Dead;
            LeadAstray();
            _made.Last().Cut();
            Run(4500);
            Assert.AreEqual(2, _asked.Count(address => address == null));
            Assert.Greater(_asked.Count, 8);
            // It has its fourth turn, and is believed then, after 15 s at the earliest.
            Run(9 * 1000);
            Assert.IsNull(_link.Failure);
            _listens = () => ScriptedTransport.To(_acceptor);
            Run(2000);
            Assert.IsTrue(_link.IsLive);
        }

        /// <summary>The name of the gateway leads to another one, at another address, that does not know the session.</summary>
        private void LeadAstray()
        {
            _name = () => ScriptedTransport.Saying(Status.Unknown).At("10.0.0.2");
        }

        /// <summary>Opens a session with the gateway at this address.</summary>
        private void OpenAt(string address)
        {
            _listens = () => ScriptedTransport.To(_acceptor).At(address);
            Open(NeverInTime());
            Exchange();
        }

        /// <summary>An attempt is waited for as long as the session may wait: only another one beside it brings it back.</summary>
        private static SessionOptions NeverInTime()
        {
            var session = SessionOptions.Secure(null);
            session.AttemptTimeout = TimeSpan.FromHours(1);
            return session;
        }

        /// <summary>So many transports that are made from now on answer nothing; behind them is the acceptor.</summary>
        private void AreSilent(int count)
        {
            _listens = () => count-- > 0 ? ScriptedTransport.Waiting() : ScriptedTransport.To(_acceptor);
        }

        private void Connect(Role role, SessionOptions session)
        {
            var options = new EndPointOptions { Session = session };
            _link = new SessionLink(options, new Admission(role, session), address =>
            {
                var transport = address == null ? _name() : _listens();
                _made.Add(transport);
                _asked.Add(address);
                return transport;
            }, _now);
        }

        private void Open(SessionOptions session)
        {
            Connect(Role.Client, session);
            for (var ms = 0; ms < 1000 && _acceptor.Established == null; ms++)
            {
                Run(1);
            }
            Assert.IsTrue(_link.IsLive);
        }

        /// <summary>Bytes go in both directions, by the transport that is there.</summary>
        private void Exchange()
        {
            for (var ms = 0; ms < 5 && !_link.IsLive; ms++)
            {
                Run(1);
            }
            Assert.IsTrue(_link.IsLive);
            var there = _acceptor.Established.Read.Count + 10;
            var here = _read + 10;
            Write(10);
            _acceptor.Established.Write(new byte[10]);
            Run(1);
            Assert.AreEqual(there, _acceptor.Established.Read.Count);
            Assert.AreEqual(here, _read);
        }

        private void Write(int bytes)
        {
            Assert.AreEqual(bytes, _link.Write(new ArraySegment<byte>(new byte[bytes]), _now));
            _link.Flush(_now);
        }

        /// <summary>The acceptor ends the session, for a reason.</summary>
        private void Abort(byte reason)
        {
            var record = new byte[100];
            record[2] = reason;
            record[3] = 3;
            var session = (SecureAcceptorSession)_acceptor.Sessions.Last();
            var bytes = session.Sealing.Seal(record, 0, 2);
            _made.Last().Cable.Reply(Bytes.Slice(record, 0, bytes));
        }

        /// <summary>The acceptor refuses, and says when to come again.</summary>
        private void Overload(ushort retryAfter)
        {
            _acceptor.Refusal = Status.Overloaded;
            _acceptor.RefusalTail = new byte[2];
            LittleEndian.Write(retryAfter, _acceptor.RefusalTail, 0);
        }

        private void RunToTheNextAttempt()
        {
            var made = _made.Count;
            for (var ms = 0; ms < 10 * 1000 && _made.Count == made; ms++)
            {
                Run(1);
            }
            Assert.AreEqual(made + 1, _made.Count);
        }

        private void RunToTheEnd(int most = 60 * 1000)
        {
            for (var ms = 0; ms < most && _link.Failure == null; ms++)
            {
                Run(1);
            }
            Assert.IsNotNull(_link.Failure);
        }

        private void Run(int milliseconds)
        {
            for (var ms = 0; ms < milliseconds && _link.Failure == null; ms++)
            {
                _now++;
                Step();
            }
        }

        private void Step(bool reads = true)
        {
            _link.Step(_now);
            var space = new byte[4096];
            int count;
            while (reads && (count = _link.Read(new ArraySegment<byte>(space), _now)) > 0)
            {
                _read += count;
            }
            _link.Flush(_now);
        }

        private void Says(LostReason reason, params string[] words)
        {
            Assert.AreEqual(reason, _link.Failure.Reason, _link.Failure.Message);
            foreach (var word in words)
            {
                StringAssert.Contains(word, _link.Failure.Message);
            }
        }
    }
}
