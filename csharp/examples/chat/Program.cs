using System;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Fastway;

namespace Chat
{
    /// <summary>
    /// A player's terminal in the chat room of the Rust examples: <c>fastway-chat GATEWAY:CLIENTPORT NAME</c>.
    /// </summary>
    /// <remarks>
    /// A player dials the room and says its name, then a line a message. The room dials the player back, and what the others
    /// say comes on that second connection.
    /// </remarks>
    public static class Program
    {
        private const uint Room = 2;
        private const int LineChars = 1000;

        public static void Main(string[] args)
        {
            // A mere return waits for the threads of Mono's pool, the last of which may sleep for a minute.
            Environment.Exit(Run(args));
        }

        private static int Run(string[] args)
        {
            if (args.Length != 2)
            {
                Console.Error.WriteLine("usage: fastway-chat GATEWAY:CLIENTPORT NAME");
                return 2;
            }
            try
            {
                JoinAsync(args[0], args[1]).GetAwaiter().GetResult();
                return 0;
            }
            catch (FastwayException error)
            {
                Console.Error.WriteLine(error.Message);
                return 1;
            }
        }

        private static async Task JoinAsync(string gateway, string name)
        {
            using (var client = await EndPoint.ConnectClientAsync(gateway))
            {
                var room = await client.DialAsync(Room);
                await SayAsync(room, name);
                var delivery = await client.AcceptAsync();
                if (delivery == null)
                {
                    throw client.Failure;
                }
                var typing = SayLinesAsync(room);
                var listening = PrintAsync(delivery);
                await Task.WhenAny(typing, listening);
                await client.ShutdownAsync();
            }
        }

        private static async Task SayLinesAsync(Conn room)
        {
            using (var typed = new StreamReader(Console.OpenStandardInput(), Encoding.UTF8))
            {
                string line;
                while ((line = await ReadLineAsync(typed)) != null)
                {
                    var text = Printable(line, LineChars);
                    if (text.Trim().Length > 0 && !await SayAsync(room, text))
                    {
                        return;
                    }
                }
            }
        }

        /// <summary>A terminal can only be waited for, so that has a thread of its own: the pool's are few.</summary>
        private static Task<string> ReadLineAsync(TextReader typed)
        {
            return Task.Factory.StartNew(
                () => typed.ReadLine(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        private static Task<bool> SayAsync(Conn room, string text)
        {
            return room.SendAsync(new ArraySegment<byte>(Encoding.UTF8.GetBytes(text)));
        }

        private static async Task PrintAsync(Conn delivery)
        {
            byte[] message;
            while ((message = await delivery.ReceiveAsync()) != null)
            {
                Console.WriteLine(Printable(Encoding.UTF8.GetString(message), 2 * LineChars));
            }
            if (delivery.CloseReason == CloseReason.Remote)
            {
                Console.Error.WriteLine("the room is closed");
            }
        }

        /// <summary>What a stranger sent, as text that is safe to print: a terminal obeys control characters.</summary>
        private static string Printable(string text, int maxChars)
        {
            var printable = new StringBuilder();
            foreach (var letter in text)
            {
                if (!char.IsControl(letter) && printable.Length < maxChars)
                {
                    printable.Append(letter);
                }
            }
            return printable.ToString();
        }
    }
}
