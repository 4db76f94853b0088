using System;
using System.Text;
using System.Threading.Tasks;
using Fastway;

namespace Echo
{
    /// <summary>A game server that sends everything back, and a player who talks to it.</summary>
    public static class Program
    {
        private const uint ServerId = 1;

        public static void Main(string[] args)
        {
            // A mere return waits for the threads of Mono's pool, the last of which may sleep for a minute.
            Environment.Exit(Run(args));
        }

        private static int Run(string[] args)
        {
            if (args.Length != 2 || (args[0] != "server" && args[0] != "client"))
            {
                Console.Error.WriteLine("usage: fastway-echo server GATEWAY:SERVERPORT, or fastway-echo client GATEWAY:CLIENTPORT");
                return 2;
            }
            try
            {
                (args[0] == "server" ? ServeAsync(args[1]) : PlayAsync(args[1])).GetAwaiter().GetResult();
                return 0;
            }
            catch (FastwayException error)
            {
                Console.Error.WriteLine(error.Message);
                return 1;
            }
        }

        private static async Task ServeAsync(string gateway)
        {
            var key = Environment.GetEnvironmentVariable("FASTWAY_SERVER_AUTH_KEY") ?? "";
            using (var server = await EndPoint.ConnectServerAsync(gateway, ServerId, key))
            {
                Console.WriteLine("ready as server " + ServerId);
                Conn player;
                while ((player = await server.AcceptAsync()) != null)
                {
                    player.Received += (conn, message) => conn.TrySend(message);
                }
                throw server.Failure;
            }
        }

        private static async Task PlayAsync(string gateway)
        {
            using (var client = await EndPoint.ConnectClientAsync(gateway))
            {
                var server = await client.DialAsync(ServerId);
                foreach (var words in new[] { "hello", "is anybody there?", "goodbye" })
                {
                    server.Send(Encoding.UTF8.GetBytes(words));
                    var answer = await server.ReceiveAsync();
                    Console.WriteLine(answer == null ? "closed: " + server.CloseReason : Encoding.UTF8.GetString(answer));
                }
                await client.ShutdownAsync();
            }
        }
    }
}
