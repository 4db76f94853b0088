using System;
using System.IO;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using Fastway;
using Snet;

// A program as the original's users wrote them: a connected stream, nothing that polls, and a loop that receives. It names
// everything that the original's assemblies have, and compiles against them.
// It asks a server that sends everything back: fastway-original HOST PORT SERVER-ID [legacy|legacy-encrypted]
namespace Original
{
    public static class Program
    {
        private const int Messages = 200;

        private static int timeouts;

        public static int Main(string[] args)
        {
            var code = Run(args);
            if (args.Length > 3)
            {
                // Threads of an end point that was closed a moment ago may still run. A return from Main ends them, and now
                // and then Mono's Environment.Exit waits for one of them for good.
                ExitAtOnce(code);
            }
            return code;
        }

        [DllImport("libc", EntryPoint = "_exit")]
        private static extern void ExitAtOnce(int code);

        private static int Run(string[] args)
        {
            var stream = Connect(args[0], int.Parse(args[1]), args.Length > 3 ? args[3] : "");
            var endPoint = new EndPoint(stream, 1000, 5000, OnTimeout);
            var conn = endPoint.Dial(uint.Parse(args[2]));
            if (endPoint.Accept() != null)
            {
                return Fail("nobody has dialed us");
            }
            var random = new Random(1);
            for (var i = 0; i < Messages; i++)
            {
                var sent = new byte[random.Next(1, 20000)];
                random.NextBytes(sent);
                if (!conn.Send(sent) || !Same(sent, WaitFor(conn)))
                {
                    return Fail("message " + i + " did not come back");
                }
                Pause(endPoint, stream, i);
            }
            if (!SecondHandSends(endPoint, conn))
            {
                return Fail("a message of a second hand did not come back");
            }
            if (DateTime.Now - endPoint.LastActive > TimeSpan.FromMinutes(1))
            {
                return Fail("the time of the last message is wrong");
            }
            if (!Ciphers())
            {
                return Fail("what was encrypted was not decrypted");
            }
            Console.WriteLine("conn {0} to {1}: {2} messages, {3} timeouts", conn.ID > 0, conn.RemoteID, Messages, timeouts);
            conn.Close();
            if (stream is SnetStream)
            {
                // Over a plain stream the program just returns, as the original's own test does.
                endPoint.Close();
            }
            return conn.Receive() == null && !conn.Send(new byte[1]) ? 0 : 1;
        }

        private static Stream Connect(string host, int port, string session)
        {
            if (session.Length == 0)
            {
                return new TcpClient(host, port).GetStream();
            }
            var stream = new SnetStream(64 * 1024, session == "legacy-encrypted") { ConnectTimeout = 10000 };
            stream.WaitConnect(stream.BeginConnect(host, port, null, null));
            return stream;
        }

        private static bool OnTimeout()
        {
            timeouts++;
            return false;
        }

        private static void Pause(EndPoint endPoint, Stream stream, int i)
        {
            if (i == Messages / 4)
            {
                endPoint.StopKeepAliveTimer();
            }
            if (i == Messages / 2)
            {
                endPoint.StartKeepAliveTimer();
            }
            var snet = stream as SnetStream;
            if (snet != null && i % 20 == 10 && !snet.TryReconn())
            {
                throw new IOException("the session is lost");
            }
        }

        /// <summary>A connection that the program makes itself sends under the number that it is given.</summary>
        private static bool SecondHandSends(EndPoint endPoint, Conn conn)
        {
            var sent = new byte[] { 1, 2, 3 };
            var second = new Conn(endPoint, conn.ID, conn.RemoteID);
            return second.Send(sent) && Same(sent, WaitFor(conn)) && second.Receive() == Conn.NoMsg;
        }

        private static bool Ciphers()
        {
            ulong ourPrivate, ourPublic, theirPrivate, theirPublic;
            var pair = new DH64();
            pair.KeyPair(out ourPrivate, out ourPublic);
            pair.KeyPair(out theirPrivate, out theirPublic);
            if (pair.PublicKey(ourPrivate) != ourPublic
                || pair.Secret(ourPrivate, theirPublic) != pair.Secret(theirPrivate, ourPublic))
            {
                return false;
            }
            var key = BitConverter.GetBytes(pair.Secret(ourPrivate, theirPublic));
            var plain = new byte[1000];
            new Random(2).NextBytes(plain);
            var memory = new MemoryStream();
            new RC4Stream(memory, key).Write(plain, 0, plain.Length);
            memory.Position = 0;
            var read = new byte[plain.Length];
            new RC4Stream(memory, key).Read(read, 0, read.Length);
            new RC4Cipher(key).XORKeyStream(plain, 0, plain, 0, plain.Length);
            return !Same(plain, read) && Same(plain, memory.ToArray()) && RefusesAnEmptyKey();
        }

        private static bool RefusesAnEmptyKey()
        {
            try
            {
                return new RC4Cipher(new byte[0]) == null;
            }
            catch (RC4KeySizeException error)
            {
                return error.Message == new RC4KeySizeException(0).Message;
            }
        }

        private static byte[] WaitFor(Conn conn)
        {
            for (;;)
            {
                var message = conn.Receive();
                if (message != Conn.NoMsg)
                {
                    return message;
                }
                Thread.Sleep(1);
            }
        }

        private static bool Same(byte[] sent, byte[] got)
        {
            if (got == null || got.Length != sent.Length)
            {
                return false;
            }
            for (var i = 0; i < sent.Length; i++)
            {
                if (sent[i] != got[i])
                {
                    return false;
                }
            }
            return true;
        }

        private static int Fail(string why)
        {
            Console.WriteLine(why);
            return 1;
        }
    }
}
