using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Fastway.Crypto;
using Fastway.Sessions;
using Fastway.Sessions.Secure;
using NUnit.Framework;

namespace Fastway.Tests.Sessions
{
    /// <summary>What a handshake, a transport or a ticket knew is overwritten when it is of no more use.</summary>
    [TestFixture]
    public class WipingTest
    {
        private World _world;

        [SetUp]
        public void Begin()
        {
            _world = World.Secure(new SeededRandom(1), true);
            _world.Connect();
        }

        [Test]
        public void A_handshake_that_is_done_holds_no_secret()
        {
            var handshake = Member<SecureAttempt>("_pending").Handshake;
            Assert.IsNotEmpty(NotWiped(handshake));
            Establish();
            CollectionAssert.IsEmpty(NotWiped(handshake));
        }

        [Test]
        public void A_handshake_that_is_given_up_holds_no_secret()
        {
            var handshake = Member<SecureAttempt>("_pending").Handshake;
            _world.Initiator.TransportLost(_world.Now);
            CollectionAssert.IsEmpty(NotWiped(handshake));
        }

        [Test]
        public void A_transport_that_is_lost_holds_no_key()
        {
            Establish();
            var transport = Member<SecureTransport>("_live");
            object[] ciphers = { transport.Sealing, transport.Opening };
            Assert.IsTrue(ciphers.All(cipher => NotWiped(cipher).Any()));
            _world.Initiator.TransportLost(_world.Now);
            CollectionAssert.IsEmpty(ciphers.SelectMany(NotWiped));
        }

        [Test]
        public void A_ticket_that_is_replaced_holds_no_secret()
        {
            Establish();
            var ticket = Member<Ticket>("_ticket");
            Assert.IsFalse(ConstantTime.IsZero(ticket.Secret));
            _world.Connect();
            _world.DeliverAll();
            Assert.AreNotSame(ticket, Member<Ticket>("_ticket"));
            Assert.IsTrue(ConstantTime.IsZero(ticket.Secret));
        }

        [Test]
        public void A_session_that_is_given_up_holds_no_secret()
        {
            Establish();
            var ticket = Member<Ticket>("_ticket");
            var sealing = Member<SecureTransport>("_live").Sealing;
            _world.Initiator.Forget();
            Assert.IsTrue(ConstantTime.IsZero(ticket.Secret));
            CollectionAssert.IsEmpty(NotWiped(sealing));
        }

        [Test]
        public void What_was_hashed_is_forgotten_when_it_is_wiped()
        {
            var hash = new Sha256().Update(new byte[] { 1, 2, 3 });
            hash.Finish();
            Assert.IsNotEmpty(NotWiped(hash));
            hash.Wipe();
            CollectionAssert.IsEmpty(NotWiped(hash));
        }

        private void Establish()
        {
            _world.DeliverAll();
            _world.DeliverAll();
            Assert.IsTrue(_world.Initiator.IsLive);
        }

        private T Member<T>(string name)
        {
            return (T)typeof(SecureSession).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)
                .GetValue(_world.Initiator);
        }

        /// <summary>The fields, at any depth, with arrays or numbers that are not zero; what is public anyway is left out.</summary>
        private static IEnumerable<string> NotWiped(object owner)
        {
            foreach (var field in owner.GetType().GetFields(BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance))
            {
                var value = field.GetValue(owner);
                var name = owner.GetType().Name + "." + field.Name;
                if (value == null || IsPublic(name))
                {
                    continue;
                }
                var array = value as Array;
                if (array != null && array.Cast<object>().Any(item => Convert.ToInt64(item) != 0))
                {
                    yield return name;
                }
                if (value is uint && (uint)value != 0)
                {
                    yield return name;
                }
                if (array == null && value.GetType().Assembly == typeof(Session).Assembly)
                {
                    foreach (var inner in NotWiped(value))
                    {
                        yield return inner;
                    }
                }
            }
        }

        /// <summary>The gateway's key, and hashes of what was on the wire.</summary>
        private static bool IsPublic(string field)
        {
            return field == "Handshake._responderKey" || field == "Noise._hash";
        }
    }
}
