using System;
using System.Globalization;
using Fastway;

namespace Loop
{
    /// <summary>
    /// A game loop, measured: 60 polls a second, 10 connections, 1,000 messages a second in each direction. It reports what
    /// was allocated, how long polls took, and how many threads there are; it fails when anything was allocated.
    /// </summary>
    public static class Program
    {
        private const double WarmUpSeconds = 1;

        public static int Main(string[] args)
        {
            if (args.Length < 3)
            {
                Console.Error.WriteLine("usage: fastway-loop CLIENT-ADDRESS SERVER-ADDRESS KEY [SECONDS [secure]]");
                return 2;
            }
            var seconds = args.Length > 3 ? double.Parse(args[3], CultureInfo.InvariantCulture) : 10;
            var options = new EndPointOptions
            {
                Session = args.Length > 4 ? SessionOptions.Secure(null) : null,
                // The warm-up sees some: what runs for the first time is compiled first, which takes milliseconds on Mono.
                PingInterval = TimeSpan.FromMilliseconds(300)
            };
            var threads = Figures.ThreadCount();
            using (var setup = new Setup(args[0], args[1], args[2], options))
            {
                setup.Run(WarmUpSeconds, new Figures(WarmUpSeconds, threads));
                setup.PileUp();
                var figures = new Figures(seconds, threads);
                setup.Run(seconds, figures);
                figures.Print();
                return figures.AllocatedBytes == 0 ? 0 : 1;
            }
        }
    }
}
