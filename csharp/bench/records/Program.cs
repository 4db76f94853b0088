using System;
using System.Diagnostics;
using System.Globalization;
using Fastway.Crypto;
using Fastway.Sessions.Secure;

namespace Records
{
    /// <summary>What the cryptography of sessions costs on this machine: records of several sizes, and a handshake's
    /// Diffie-Hellman.</summary>
    public static class Program
    {
        private const double Seconds = 1;
        private const int Turns = 20;

        public static void Main()
        {
            foreach (var bytes in new[] { 100, 1000, Record.MaxCiphertextBytes - ChaChaPoly.TagBytes })
            {
                Seal(bytes);
                Open(bytes);
            }
            Agree();
        }

        private static void Seal(int bytes)
        {
            var cipher = new RecordCipher(new byte[ChaChaPoly.KeyBytes]);
            var record = new byte[Record.MaxBytes];
            Measure("seal", bytes, () => cipher.Seal(record, 0, bytes));
        }

        private static void Open(int bytes)
        {
            var sealing = new ChaChaPoly(new byte[ChaChaPoly.KeyBytes]);
            var opening = new ChaChaPoly(new byte[ChaChaPoly.KeyBytes]);
            var sealedRecord = new byte[bytes + ChaChaPoly.TagBytes];
            var record = new byte[sealedRecord.Length];
            sealing.Seal(0, ChaChaPoly.Nothing, sealedRecord, 0, bytes);
            Measure("open", bytes, () =>
            {
                // In place: the next turn needs it again.
                Buffer.BlockCopy(sealedRecord, 0, record, 0, record.Length);
                opening.Open(0, ChaChaPoly.Nothing, record, 0, bytes);
            });
        }

        private static void Agree()
        {
            var key = new byte[X25519.KeyBytes];
            var turns = 0;
            var clock = Stopwatch.StartNew();
            for (; clock.Elapsed.TotalSeconds < Seconds; turns++)
            {
                key = X25519.PublicKey(key);
            }
            Line("X25519          {0:0.000} ms", clock.Elapsed.TotalMilliseconds / turns);
        }

        private static void Measure(string what, int bytes, Action turn)
        {
            Run(turn, Seconds / 10);
            var clock = Stopwatch.StartNew();
            var turns = Run(turn, Seconds);
            var seconds = clock.Elapsed.TotalSeconds;
            Line("{0} {1,6} B   {2:0} MB/s, {3:0} records a second",
                what, bytes, turns * (double)bytes / seconds / 1e6, turns / seconds);
        }

        private static long Run(Action turn, double seconds)
        {
            var turns = 0L;
            for (var until = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
                Stopwatch.GetTimestamp() < until;
                turns += Turns)
            {
                for (var i = 0; i < Turns; i++)
                {
                    turn();
                }
            }
            return turns;
        }

        private static void Line(string format, params object[] values)
        {
            Console.WriteLine(string.Format(CultureInfo.InvariantCulture, format, values));
        }
    }
}
