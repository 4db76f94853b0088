using System;
using System.Text;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>Links that outlive their network, through the real gateway.</summary>
    [TestFixture(LinkKind.Legacy)]
    [TestFixture(LinkKind.LegacyEncrypted)]
    [TestFixture(LinkKind.Secure)]
    [TestFixture(LinkKind.Pinned)]
    public class SessionTest : GatewayTest
    {
        /// <summary>The first message of a resume.</summary>
        private const int SecureResumeBytes = 79;
        private const int LegacyResumeBytes = 41;

        private static readonly TimeSpan Never = TimeSpan.FromDays(1);

        private readonly string _kind;
        private Gateway _gateway;
        private Tunnel _tunnel;
        private EndPoint _server;

        public SessionTest(string kind)
        {
            _kind = kind;
        }

        [SetUp]
        public void Start()
        {
            _gateway = StartGateway(LinkKind.Flags(_kind));
            _tunnel = Owned(new Tunnel(_gateway.Client));
            _server = Server(_gateway, 1, Options());
        }

        [Test]
        public void Messages_of_any_size_come_back()
        {
            Conn accepted;
            var conn = Meet(Client(Options()), out accepted);
            foreach (var size in new[] { 0, 1, 4096, 70000, (512 << 10) - 4 })
            {
                var message = new string('x', size);
                Send(conn, message);
                Assert.AreEqual(message, Receive(accepted));
                Send(accepted, message);
                Assert.AreEqual(message, Receive(conn));
            }
        }

        [Test]
        public void A_cut_is_told_and_loses_and_doubles_nothing()
        {
            var client = Client(Options());
            var story = Story(client);
            Conn accepted;
            var conn = Meet(client, out accepted);
            for (var cut = 1; cut <= 5; cut++)
            {
                Exchange(conn, accepted, 20);
                _tunnel.Cut();
                Exchange(conn, accepted, 20);
                Assert.GreaterOrEqual(_tunnel.Made, 1 + cut);
            }
            Until("it is back", () => client.IsOnline);
            StringAssert.StartsWith("interrupted resumed interrupted resumed interrupted resumed ", story.ToString());
        }

        [Test]
        public void A_change_of_network_is_answered_at_once()
        {
            var client = Client(Options());
            var story = Story(client);
            Conn accepted;
            var conn = Meet(client, out accepted);
            client.NetworkChanged();
            Until("it is told", () => story.ToString() == "interrupted resumed ");
            Exchange(conn, accepted, 1);
            Assert.GreaterOrEqual(_tunnel.Made, 2);
        }

        [Test]
        public void A_black_hole_is_noticed_and_left()
        {
            var options = Options();
            options.Session.SilentAfter = TimeSpan.FromMilliseconds(300);
            var client = Client(options);
            var story = Story(client);
            Conn accepted;
            var conn = Meet(client, out accepted);
            _tunnel.Swallows = true;
            Send(conn, "into the hole");
            Until("it is noticed", () => story.ToString().StartsWith("interrupted "));
            _tunnel.Swallows = false;
            Assert.AreEqual("into the hole", Receive(accepted));
            Exchange(conn, accepted, 10);
        }

        [Test]
        public void A_transport_that_falls_silent_behind_the_reply_is_replaced_long_before_it_counts_as_silent()
        {
            var options = Options();
            options.PingInterval = options.Session.SilentAfter = Never;
            var client = Client(options);
            Conn accepted;
            var conn = Meet(client, out accepted);
            _tunnel.SwallowNextBehind(_kind.StartsWith(LinkKind.Legacy, StringComparison.Ordinal) ? LegacyResumeBytes : SecureResumeBytes);
            _tunnel.Cut();
            Send(conn, "into the hole");
            Assert.AreEqual("into the hole", Receive(accepted));
            // On a machine that stalls more are replaced.
            Assert.GreaterOrEqual(_tunnel.Made, 3);
            Exchange(conn, accepted, 10);
        }

        [Test]
        public void A_server_comes_back_as_well()
        {
            var tunnel = Owned(new Tunnel(_gateway.Server));
            var server = Polled(EndPoint.ConnectServer(tunnel.Address, 2, Gateway.Key, Options()));
            Until("the server is ready", () => server.IsReady);
            var conn = Client(Options()).Dial(2);
            var accepted = Accept(server);
            Exchange(conn, accepted, 10);
            tunnel.Cut();
            Exchange(accepted, conn, 10);
            Assert.GreaterOrEqual(tunnel.Made, 2);
        }

        [Test]
        public void A_shutdown_has_the_gateway_agree()
        {
            var client = Client(Options());
            Conn accepted;
            var conn = Meet(client, out accepted);
            Send(conn, "the last message");
            var shutdown = client.ShutdownAsync();
            Until("it is shut down", () => shutdown.IsCompleted);
            Assert.IsTrue(shutdown.Result);
            Assert.AreEqual("the last message", Receive(accepted));
        }

        [Test]
        public void A_close_reaches_the_other_end_at_once()
        {
            var client = Client(Options());
            Conn accepted;
            var conn = Meet(client, out accepted);
            // Before that the client has no number for the connection, so it could not close it.
            Until("the client knows the connection", () => conn.IsOpen);
            client.Close();
            Until("the close comes", () => accepted.CloseReason == CloseReason.Remote);
        }

        [Test]
        public void A_gateway_that_does_not_know_the_session_ends_it()
        {
            var client = Client(Options());
            LinkException lost = null;
            client.Lost += why => lost = why;
            using (var other = Gateway.Start(LinkKind.Flags(_kind)))
            {
                _tunnel.LeadTo(other.Client);
                _tunnel.Cut();
                Until("it is told", () => lost != null);
            }
            Assert.AreEqual(LostReason.SessionRefused, lost.Reason);
        }

        private static EndPointOptions OptionsFor(string kind)
        {
            var options = new EndPointOptions { Session = LinkKind.Options(kind), WhenFull = WhenFull.Hold };
            options.Session.FirstPause = TimeSpan.FromMilliseconds(5);
            return options;
        }

        private static StringBuilder Story(EndPoint client)
        {
            var story = new StringBuilder();
            client.Interrupted += end => story.Append("interrupted ");
            client.Resumed += end => story.Append("resumed ");
            return story;
        }

        private EndPointOptions Options()
        {
            return OptionsFor(_kind);
        }

        private EndPoint Client(EndPointOptions options)
        {
            var client = Polled(EndPoint.ConnectClient(_tunnel.Address, options));
            Until("the client is ready", () => client.IsReady);
            return client;
        }

        private Conn Meet(EndPoint client, out Conn accepted)
        {
            var conn = client.Dial(1);
            accepted = Accept(_server);
            return conn;
        }

        /// <summary>Numbers go in both directions; each has to come, once and in order.</summary>
        private void Exchange(Conn here, Conn there, int count)
        {
            for (var number = 0; number < count; number++)
            {
                Send(here, "here " + number);
                Send(there, "there " + number);
            }
            for (var number = 0; number < count; number++)
            {
                Assert.AreEqual("here " + number, Receive(there));
                Assert.AreEqual("there " + number, Receive(here));
            }
        }
    }
}
