using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Net.Sockets;
using System.Threading.Tasks;
using Fastway.Multiplexing;
using Fastway.Sessions;
using Fastway.Tests.Fuzz;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>What becomes of the links of a gateway that is about to stop.</summary>
    [TestFixture]
    public class DrainTest : GatewayTest
    {
        private const int Players = 10;

        [Test]
        public void A_client_whose_open_is_answered_with_draining_comes_to_the_other_gateway_of_its_list()
        {
            var second = StartGateway(LinkKind.Flags(LinkKind.Secure));
            using (var first = new Listener(RefuseAsDraining))
            {
                var gateways = new Gateways(first.Address.ToString(), second.Client) { DrainJitter = TimeSpan.Zero };
                var client = Polled(EndPoint.ConnectClient(gateways.Address, Options(LinkKind.Secure)));
                Until("it is turned away", () => client.Failure != null);
                Assert.AreEqual(LostReason.TurnedAway, client.Failure.Reason, client.Failure.Message);
                Assert.IsTrue(client.Failure.IsDraining);

                Assert.AreEqual(TimeSpan.Zero, gateways.Next(client.Failure));
                Assert.AreEqual(second.Client, gateways.Address);
                Client(second, Options(LinkKind.Secure));
            }
        }

        [TestCase(LinkKind.Secure, true)]
        [TestCase(LinkKind.Plain, false)]
        public void Players_of_a_gateway_that_is_stopped_come_to_the_other_one_and_its_server_stays(string kind, bool isTold)
        {
            Gateway first = StartGateway(LinkKind.Flags(kind)), second = StartGateway(LinkKind.Flags(kind));
            EndPoint left = Server(first, 7, Options(kind)), kept = Server(second, 7, Options(kind));
            var players = Enumerable.Range(0, Players).Select(at => new Player(first, second, kind)).ToList();
            Until("all have a link", () => TakeTurns(players).All(player => player.IsReady));
            Assert.IsTrue(players.All(player => player.Address == first.Client));

            var stopping = Task.Run(() => first.Stop());
            Until("all are at the other gateway",
                () => TakeTurns(players).All(player => player.IsReady && player.Address == second.Client));
            Until("the gateway has stopped", () => stopping.IsCompleted);
            foreach (var player in players)
            {
                Assert.AreEqual(1, player.Ends.Count, "no attempt fails");
                Assert.AreEqual(isTold, player.Ends[0].IsDraining, player.Ends[0].Message);
                player.Dispose();
            }
            Until("the server knows", () => left.Failure != null);
            Assert.AreEqual(isTold, left.Failure.IsDraining, left.Failure.Message);
            Assert.IsNull(kept.Failure);
        }

        [TestCase(true, LostReason.SessionRefused)]
        [TestCase(false, LostReason.WrongKey)]
        public void A_server_whose_gateway_stops_as_it_registers_has_no_wrong_key(bool isDraining, LostReason reason)
        {
            const int ChallengeBytes = 8;
            var end = new LinkException(LostReason.SessionRefused, null, null, isDraining);
            var link = new BytesLink(new byte[ChallengeBytes], ChallengeBytes) { End = end };
            var server = Polled(new EndPoint(Options(LinkKind.Secure), Role.Server, 7, Gateway.Key, link));
            Until("it has ended", () => server.Failure != null);
            Assert.AreEqual(reason, server.Failure.Reason, server.Failure.Message);
            Assert.AreEqual(isDraining, server.Failure.IsDraining);
        }

        private static List<Player> TakeTurns(List<Player> players)
        {
            players.ForEach(player => player.TakeTurn());
            return players;
        }

        private static EndPointOptions Options(string kind)
        {
            return new EndPointOptions
            {
                Session = LinkKind.Options(kind),
                ConnectTimeout = TimeSpan.FromMilliseconds(2 * Patience)
            };
        }

        /// <summary>Waits for the end of the other side: a reset could overtake the status.</summary>
        private static void RefuseAsDraining(Socket socket)
        {
            socket.Receive(new byte[1024]);
            socket.Send(new[] { Status.Draining });
            socket.Shutdown(SocketShutdown.Send);
            while (socket.Receive(new byte[1024]) > 0)
            {
            }
            socket.Close();
        }

        /// <summary>A player's program, which comes back as long as it runs.</summary>
        private sealed class Player : IDisposable
        {
            private readonly Gateways _gateways;
            private readonly string _kind;
            private readonly Stopwatch _waited = Stopwatch.StartNew();
            private EndPoint _client;
            private TimeSpan _pause = TimeSpan.Zero;

            public Player(Gateway first, Gateway second, string kind)
            {
                _gateways = new Gateways(first.Client, second.Client) { DrainJitter = TimeSpan.FromMilliseconds(100) };
                _kind = kind;
            }

            public List<LinkException> Ends { get; } = new List<LinkException>();

            public string Address
            {
                get { return _gateways.Address; }
            }

            public bool IsReady
            {
                get { return _client != null && _client.IsReady; }
            }

            public void TakeTurn()
            {
                if (_client != null)
                {
                    _client.Poll();
                }
                else if (_waited.Elapsed >= _pause)
                {
                    _client = EndPoint.ConnectClient(_gateways.Address, Options(_kind));
                    _client.Lost += Lost;
                }
            }

            public void Dispose()
            {
                _client.Lost -= Lost;
                _client.Close();
            }

            private void Lost(LinkException why)
            {
                Ends.Add(why);
                _pause = _gateways.Next(why);
                _waited.Restart();
                _client = null;
            }
        }
    }
}
