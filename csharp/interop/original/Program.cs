using System;
using System.Net.Sockets;
using System.Threading;
using Fastway;

// A program as the original's users wrote them: a connected stream, nothing that polls, and a loop that receives.
// It asks a server that sends everything back: fastway-original HOST PORT SERVER-ID
namespace Original
{
    public static class Program
    {
        private const int Messages = 200;

        private static int timeouts;

        public static int Main(string[] args)
        {
            var tcp = new TcpClient(args[0], int.Parse(args[1]));
            var endPoint = new EndPoint(tcp.GetStream(), 1000, 5000, OnTimeout);
            var conn = endPoint.Dial(uint.Parse(args[2]));
            if (endPoint.Accept() != null)
            {
                Console.WriteLine("nobody has dialed us");
                return 1;
            }
            var random = new Random(1);
            for (var i = 0; i < Messages; i++)
            {
                var sent = new byte[random.Next(1, 20000)];
                random.NextBytes(sent);
                if (!conn.Send(sent) || !Same(sent, WaitFor(conn)))
                {
                    Console.WriteLine("message {0} did not come back", i);
                    return 1;
                }
            }
            Console.WriteLine("conn {0} to {1}: {2} messages, {3} timeouts", conn.ID > 0, conn.RemoteID, Messages, timeouts);
            conn.Close();
            endPoint.Close();
            return conn.Receive() == null && !conn.Send(new byte[1]) ? 0 : 1;
        }

        private static void OnTimeout()
        {
            timeouts++;
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
    }
}
