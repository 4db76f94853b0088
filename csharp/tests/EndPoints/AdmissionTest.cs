using System;
using System.Collections.Generic;
using System.Net.Sockets;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.EndPoints
{
    /// <summary>
    /// Links of a kind that the port does not admit, at the real gateway. The time for connecting is longer than a test waits,
    /// so what is told is told before it is over.
    /// </summary>
    [TestFixture]
    public class AdmissionTest : GatewayTest
    {
        /// <summary>Whether the gateway has words for it, or just closes, is the gateway's; the settings are named anyway.</summary>
        [TestCase(LinkKind.Secure, LinkKind.Plain, "a plain link")]
        [TestCase(LinkKind.Legacy, LinkKind.Plain, "a plain link")]
        [TestCase(LinkKind.Plain, LinkKind.Secure, "a secure session")]
        [TestCase(LinkKind.Plain, LinkKind.Legacy, "a legacy session")]
        [TestCase(LinkKind.Legacy, LinkKind.Secure, "a secure session")]
        [TestCase(LinkKind.Secure, LinkKind.Legacy, "a legacy session")]
        public void A_client_of_another_kind_is_told_what_to_set(string port, string kind, string words)
        {
            var gateway = StartGateway(LinkKind.Flags(port));
            var end = EndOf(EndPoint.ConnectClient(gateway.Client, Options(kind)));
            Assert.That(end.Reason, Is.EqualTo(LostReason.TurnedAway).Or.EqualTo(LostReason.NotAdmitted), end.Message);
            Says(end, end.Reason, words, "--client-link", "EndPointOptions.Session");
        }

        [TestCase(8, LostReason.NotAdmitted, "it admits sessions only")]
        [TestCase(7, LostReason.TurnedAway, "if the port admits sessions only")]
        public void The_refusal_of_a_plain_link_is_understood(int status, LostReason reason, string words)
        {
            using (var gateway = new Listener(socket =>
            {
                socket.Receive(new byte[100]);
                socket.Send(new[] { (byte)status });
                socket.Close();
            }))
            {
                var end = EndOf(EndPoint.ConnectClient(gateway.Address.ToString()));
                Says(end, reason, words, "a plain link", "--client-link", "EndPointOptions.Session");
            }
        }

        [TestCase(LinkKind.Plain, LinkKind.Secure, LostReason.NotAdmitted, "a secure session")]
        [TestCase(LinkKind.Plain, LinkKind.Legacy, LostReason.NotAdmitted, "a legacy session")]
        [TestCase(LinkKind.Legacy, LinkKind.Secure, LostReason.NotAdmitted, "a secure session")]
        [TestCase(LinkKind.Secure, LinkKind.Legacy, LostReason.TurnedAway, "a legacy session")]
        [TestCase(LinkKind.Secure, LinkKind.Plain, LostReason.NotAdmitted, "a plain link")]
        public void A_server_of_another_kind_is_told_what_to_set(string port, string kind, LostReason reason, string words)
        {
            var gateway = StartGateway(LinkKind.Flags(port));
            var end = EndOf(EndPoint.ConnectServer(gateway.Server, 1, Gateway.Key, Options(kind)));
            Says(end, reason, words, "--server-link", "EndPointOptions.Session");
        }

        [TestCase(LinkKind.Plain)]
        [TestCase(LinkKind.Legacy)]
        [TestCase(LinkKind.Secure)]
        public void A_server_at_the_client_port_is_told(string kind)
        {
            var gateway = StartGateway(LinkKind.Flags(kind));
            var end = EndOf(EndPoint.ConnectServer(gateway.Client, 1, Gateway.Key, Options(kind)));
            Says(end, LostReason.ConnectTimedOut, "sent no challenge", "server port, and not its client port");
        }

        [TestCase(LinkKind.Plain)]
        [TestCase(LinkKind.Legacy)]
        [TestCase(LinkKind.Secure)]
        public void A_client_at_the_server_port_is_told(string kind)
        {
            var gateway = StartGateway(LinkKind.Flags(kind));
            Says(EndOf(EndPoint.ConnectClient(gateway.Server, Options(kind))), LostReason.NotAGateway);
        }

        [TestCase(LinkKind.Plain)]
        [TestCase(LinkKind.Legacy)]
        [TestCase(LinkKind.Secure)]
        public void A_server_with_another_key_is_told(string kind)
        {
            var gateway = StartGateway(LinkKind.Flags(kind));
            var end = EndOf(EndPoint.ConnectServer(gateway.Server, 1, "another key", Options(kind)));
            Says(end, LostReason.WrongKey, "give both the same key");
        }

        [Test]
        public void A_client_that_pins_another_key_is_told()
        {
            var gateway = StartGateway(LinkKind.Flags(LinkKind.Secure));
            var options = new EndPointOptions { Session = SessionOptions.Secure(Vectors.Hex.Decode(KeyPair.Generate().Public)) };
            Says(EndOf(EndPoint.ConnectClient(gateway.Client, options)), LostReason.WrongGatewayKey, "key that is pinned");
        }

        [Test]
        public void Nothing_that_answers_in_time_is_told_with_the_step()
        {
            var held = new List<Socket>();
            using (var silent = new Listener(held.Add))
            {
                var options = new EndPointOptions { ConnectTimeout = TimeSpan.FromMilliseconds(200) };
                Says(EndOf(EndPoint.ConnectClient(silent.Address.ToString(), options)), LostReason.ConnectTimedOut, "answered no ping");
                options.Session = SessionOptions.Secure(null);
                Says(EndOf(EndPoint.ConnectClient(silent.Address.ToString(), options)), LostReason.ConnectTimedOut,
                    "did not reply to the opening of a secure session");
            }
            held.ForEach(socket => socket.Close());
        }

        private static EndPointOptions Options(string kind)
        {
            return new EndPointOptions
            {
                Session = LinkKind.Options(kind),
                ConnectTimeout = TimeSpan.FromMilliseconds(2 * Patience)
            };
        }

        private LinkException EndOf(EndPoint endPoint)
        {
            LinkException lost = null;
            endPoint.Lost += why => lost = why;
            Polled(endPoint);
            Until("there is no link", () => lost != null);
            return lost;
        }

        private static void Says(LinkException end, LostReason reason, params string[] words)
        {
            Assert.AreEqual(reason, end.Reason, end.Message);
            foreach (var word in words)
            {
                StringAssert.Contains(word, end.Message);
            }
        }
    }
}
