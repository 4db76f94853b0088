using System;
using System.Diagnostics;
using System.IO;

namespace Fastway.Tests.Support
{
    /// <summary>A key pair of a gateway, made by <c>fastway keygen</c>; its file goes with the process.</summary>
    internal sealed class KeyPair
    {
        private KeyPair(string file, string publicKey)
        {
            File = file;
            Public = publicKey;
        }

        public string File { get; private set; }

        public string Public { get; private set; }

        public static KeyPair Generate()
        {
            var file = Path.Combine(Path.GetTempPath(), "fastway-csharp-key-" + Guid.NewGuid().ToString("N"));
            var start = Program.Start(Environment.GetEnvironmentVariable("FASTWAY_BIN"), "keygen " + file, Path.GetTempPath());
            using (var keygen = Process.Start(start))
            {
                var publicKey = keygen.StandardOutput.ReadToEnd().Trim();
                keygen.WaitForExit();
                AppDomain.CurrentDomain.ProcessExit += (sender, e) => System.IO.File.Delete(file);
                AppDomain.CurrentDomain.DomainUnload += (sender, e) => System.IO.File.Delete(file);
                return new KeyPair(file, publicKey);
            }
        }
    }
}
