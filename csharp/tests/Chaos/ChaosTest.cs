using System;
using System.Diagnostics;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Chaos
{
    /// <summary>Two end points and a gateway on a network that fails all the time: nothing is lost or doubled, or the loss has a
    /// reason.</summary>
    [TestFixture(LinkKind.Pinned)]
    [TestFixture(LinkKind.LegacyEncrypted)]
    public class ChaosTest : GatewayTest
    {
        /// <summary>In each direction.</summary>
        private const int TransferBytes = 25 << 20;
        private const int Cuts = 200;
        private const int Moves = 50;
        /// <summary>What may be on its way in each direction when a way is cut.</summary>
        private const int MostAhead = 512 << 10;
        /// <summary>A legacy session has to keep all that may be on its way, as nobody acknowledges.</summary>
        private const int ReplayBytes = 32 << 20;

        /// <summary>A gateway that answers slowly on a busy machine is not given up.</summary>
        private static readonly TimeSpan Unhurried = TimeSpan.FromMilliseconds(Patience);

        private readonly string _kind;
        private Tunnel _clients;
        private Tunnel _servers;
        private EndPoint _client;
        private EndPoint _server;
        private Transfer _there;
        private Transfer _back;
        /// <summary>Bytes that may be sent in each direction, so that the end does not come before the last cut.</summary>
        private long _most;

        public ChaosTest(string kind)
        {
            _kind = kind;
        }

        [Test]
        public void Nothing_is_lost_or_doubled_by_200_cuts()
        {
            Begin(StartGateway(Flags()));
            var clock = Stopwatch.StartNew();
            for (var cut = 1; cut <= Cuts; cut++)
            {
                MoveTo((long)cut * 2 * TransferBytes / (Cuts + 1));
                var isClients = cut % 2 == 0;
                CutWhenThere(isClients ? _clients : _servers, isClients ? _client : _server);
            }
            Finish();
            Assert.GreaterOrEqual(_clients.Made + _servers.Made, Cuts, "connections");
            Console.WriteLine(
                "{0}: {1} MB with {2} cuts in {3:F1} s", _kind, 2 * TransferBytes >> 20, Cuts, clock.Elapsed.TotalSeconds);
        }

        [Test]
        public void Nothing_is_lost_or_doubled_by_a_black_hole()
        {
            Begin(StartGateway(Flags()), TimeSpan.FromMilliseconds(500));
            MoveTo(TransferBytes / 10);
            MoveUntil("the client is online", () => _client.IsOnline);
            _clients.Swallows = true;
            var interrupted = false;
            _client.Interrupted += end => interrupted = true;
            MoveUntil("it is noticed", () => interrupted);
            _clients.Swallows = false;
            MoveTo(TransferBytes / 5);
        }

        /// <summary>What is still on its way by the older connection comes when the gateway has answered on the newer.</summary>
        [Test]
        public void Nothing_is_lost_or_doubled_by_players_on_the_move()
        {
            Begin(StartGateway(Flags()));
            for (var move = 1; move <= Moves; move++)
            {
                MoveTo((long)move * TransferBytes / Moves);
                MoveUntil("it is back", () => _client.IsOnline && _server.IsOnline);
                _client.NetworkChanged();
                _server.NetworkChanged();
            }
            MoveTo(TransferBytes + TransferBytes / Moves);
            // What the last bytes came by may be what waited to be received.
            MoveUntil("it is back", () => _client.IsOnline);
            Assert.AreEqual(1 + Moves, _clients.Made);
        }

        [Test]
        public void A_refusal_of_somebody_else_in_between_is_not_believed()
        {
            var gateway = StartGateway(Flags());
            var stranger = StartGateway(Flags());
            Begin(gateway);
            MoveTo(TransferBytes / 10);
            var made = _clients.Made;
            _clients.LeadTo(stranger.Client);
            _clients.Cut();
            MoveUntil("the stranger was asked", () => _clients.Made > made);
            _clients.LeadTo(gateway.Client);
            MoveTo(TransferBytes / 5);
        }

        [Test]
        public void A_gateway_that_starts_again_ends_both_sessions_with_a_reason()
        {
            var gateway = StartGateway(Flags());
            Begin(gateway);
            MoveTo(TransferBytes / 10);
            gateway.Kill();
            var again = StartGateway(Flags());
            _clients.LeadTo(again.Client);
            _servers.LeadTo(again.Server);
            MoveUntil("both know", () => _client.Failure != null && _server.Failure != null);
            Assert.AreEqual(LostReason.SessionRefused, _client.Failure.Reason, _client.Failure.Message);
            Assert.AreEqual(LostReason.SessionRefused, _server.Failure.Reason, _server.Failure.Message);
        }

        private string[] Flags()
        {
            var flags = LinkKind.Flags(_kind);
            flags[flags.Length - 1] += " --client-snet-buffer 32M --server-snet-buffer 32M"
                + " --client-send-bytes 64M --client-slow-grace 60s";
            return flags;
        }

        private EndPointOptions Options(TimeSpan silentAfter)
        {
            var options = new EndPointOptions { Session = LinkKind.Options(_kind), WhenFull = WhenFull.Hold };
            options.Session.FirstPause = TimeSpan.FromMilliseconds(5);
            options.Session.LongestPause = TimeSpan.FromMilliseconds(10);
            options.Session.SilentAfter = silentAfter;
            options.Session.AttemptTimeout = Unhurried;
            options.Session.ReplayBytes = _kind == LinkKind.Pinned ? 1 << 20 : ReplayBytes;
            return options;
        }

        private void Begin(Gateway gateway)
        {
            Begin(gateway, Unhurried);
        }

        private void Begin(Gateway gateway, TimeSpan silentAfter)
        {
            _clients = Owned(new Tunnel(gateway.Client));
            _servers = Owned(new Tunnel(gateway.Server));
            _server = Polled(EndPoint.ConnectServer(_servers.Address, 1, Gateway.Key, Options(Unhurried)));
            Until("the server is ready", () => _server.IsReady);
            _client = Polled(EndPoint.ConnectClient(_clients.Address, Options(silentAfter)));
            var conn = _client.Dial(1);
            var accepted = Accept(_server);
            _there = new Transfer(conn, accepted, TransferBytes);
            _back = new Transfer(accepted, conn, TransferBytes);
        }

        /// <summary>Until so many bytes came in both directions; some more are on their way then.</summary>
        private void MoveTo(long bytes)
        {
            _most = bytes / 2 + MostAhead;
            MoveUntil(bytes + " bytes came", () => _there.ReceivedBytes + _back.ReceivedBytes >= bytes);
        }

        /// <summary>A way that is not there cannot be cut.</summary>
        private void CutWhenThere(Tunnel way, EndPoint end)
        {
            MoveUntil("it is back", () => way.IsUp && end.IsOnline);
            way.Cut();
        }

        private void Finish()
        {
            _most = long.MaxValue;
            MoveUntil("all came", () => _there.IsDone && _back.IsDone);
            Assert.IsNull(_client.Failure);
            Assert.IsNull(_server.Failure);
        }

        private void MoveUntil(string what, Func<bool> isSo)
        {
            Until(what, () =>
            {
                _there.Move(_most);
                _back.Move(_most);
                return isSo();
            });
        }
    }
}
