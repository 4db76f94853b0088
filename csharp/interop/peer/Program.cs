using System;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Threading.Tasks;
using Fastway;

namespace Peer
{
    /// <summary>A peer of this SDK for the interop suites; what it obeys is in <c>tests/interop/README.md</c>.</summary>
    public static class Program
    {
        private const uint ServerId = 1;

        public static int Main(string[] args)
        {
            try
            {
                RunAsync(args).GetAwaiter().GetResult();
                return 0;
            }
            catch (FastwayException error)
            {
                Console.Error.WriteLine(error.Message);
                return 1;
            }
        }

        private static Task RunAsync(string[] args)
        {
            if (args.Length >= 3 && args[0] == "server")
            {
                return ServeAsync(args[1], args[2], Options(args, 3));
            }
            if (args.Length >= 2 && args[0] == "client")
            {
                return PlayAsync(args[1], Options(args, 2));
            }
            Console.Error.WriteLine("usage: server ADDRESS KEY [LINK], or client ADDRESS [LINK]");
            return Task.FromResult(0);
        }

        // A machine that is busy for a third of a second has not lost its gateway.
        private static EndPointOptions Options(string[] args, int link)
        {
            return new EndPointOptions
            {
                PingInterval = TimeSpan.FromMilliseconds(100),
                DeadAfterIntervals = 0,
                WhenFull = WhenFull.Hold,
                Session = args.Length > link ? LinkKind.Parse(args[link]) : null
            };
        }

        private static async Task ServeAsync(string gateway, string key, EndPointOptions options)
        {
            using (var server = await EndPoint.ConnectServerAsync(gateway, ServerId, key, options))
            {
                Console.WriteLine("ready");
                await ObeyAllAsync(server);
            }
        }

        private static async Task PlayAsync(string gateway, EndPointOptions options)
        {
            using (var client = await EndPoint.ConnectClientAsync(gateway, options))
            {
                GoOn(ObeyAsync(await client.DialAsync(ServerId)));
                await ObeyAllAsync(client);
            }
        }

        private static async Task ObeyAllAsync(EndPoint endPoint)
        {
            Conn conn;
            while ((conn = await endPoint.AcceptAsync()) != null)
            {
                GoOn(ObeyAsync(conn));
            }
            Console.WriteLine(endPoint.Failure.Message);
        }

        private static async Task ObeyAsync(Conn conn)
        {
            byte[] message;
            while ((message = await conn.ReceiveAsync()) != null)
            {
                await ObeyAsync(conn, message);
            }
            conn.Close();
        }

        private static async Task ObeyAsync(Conn conn, byte[] message)
        {
            var words = Encoding.UTF8.GetString(message).Split(' ');
            switch (words[0])
            {
                case "!count":
                    await CountAsync(conn, Number(words));
                    break;
                case "!dial":
                    await DialAsync(conn, words.Length > 1 ? Number(words) : conn.RemoteID);
                    break;
                case "!close":
                    await SayAsync(conn, "bye");
                    conn.Close();
                    break;
                case "!abort":
                    Process.GetCurrentProcess().Kill();
                    break;
                default:
                    await conn.SendAsync(new ArraySegment<byte>(message));
                    break;
            }
        }

        /// <summary>Nobody waits for it; what goes wrong is said.</summary>
        private static async void GoOn(Task obeying)
        {
            try
            {
                await obeying;
            }
            catch (FastwayException error)
            {
                Console.Error.WriteLine(error.Message);
            }
        }

        private static async Task CountAsync(Conn conn, uint count)
        {
            for (uint number = 0; number < count; number++)
            {
                await SayAsync(conn, number.ToString(CultureInfo.InvariantCulture));
            }
        }

        private static async Task DialAsync(Conn conn, uint remoteId)
        {
            try
            {
                GoOn(ObeyAsync(await conn.EndPoint.DialAsync(remoteId)));
                await SayAsync(conn, "dialed");
            }
            catch (DialException error)
            {
                await SayAsync(conn, error.Reason == CloseReason.Refused ? "refused" : error.Message);
            }
        }

        private static Task<bool> SayAsync(Conn conn, string text)
        {
            return conn.SendAsync(new ArraySegment<byte>(Encoding.UTF8.GetBytes(text)));
        }

        private static uint Number(string[] words)
        {
            return uint.Parse(words[1], CultureInfo.InvariantCulture);
        }
    }
}
