using System;
using System.Diagnostics;
using System.IO;
using System.Text;
using System.Threading;

namespace Fastway.Tests.Support
{
    /// <summary>A gateway on free ports of this machine: the program that FASTWAY_BIN names.</summary>
    internal sealed class Gateway : IDisposable
    {
        public const string Key = "the tests' own key";

        private readonly Process _process;
        private readonly string _folder;
        private readonly StringBuilder _log = new StringBuilder();

        private Gateway(Process process, string folder)
        {
            _process = process;
            _folder = folder;
        }

        public string Client { get; private set; }

        public string Server { get; private set; }

        public string Log
        {
            get
            {
                lock (_log)
                {
                    return _log.ToString();
                }
            }
        }

        /// <summary>Starts one; later flags win.</summary>
        public static Gateway Start(params string[] flags)
        {
            var folder = Path.Combine(Path.GetTempPath(), "fastway-csharp-" + Guid.NewGuid().ToString("N"));
            Directory.CreateDirectory(folder);
            var ours = "--client-addr 127.0.0.1:0 --server-addr 127.0.0.1:0 --server-auth-key \"" + Key + "\" ";
            var gateway = new Gateway(new Process { StartInfo = Program.Start(Binary(), ours + string.Join(" ", flags), folder) }, folder);
            try
            {
                gateway.Listen();
            }
            catch
            {
                gateway.Dispose();
                throw;
            }
            return gateway;
        }

        /// <summary>Ends it without a word.</summary>
        public void Kill()
        {
            Program.Kill(_process);
        }

        /// <summary>Ends it as its operator does, by SIGTERM, and waits for that.</summary>
        public void Stop()
        {
            using (var kill = Process.Start(Program.Start("/bin/kill", "-TERM " + _process.Id, _folder)))
            {
                kill.WaitForExit();
            }
            _process.WaitForExit();
        }

        public void Dispose()
        {
            Kill();
            _process.Dispose();
            Directory.Delete(_folder, true);
        }

        private static string Binary()
        {
            var path = Environment.GetEnvironmentVariable("FASTWAY_BIN");
            if (path == null || !File.Exists(path))
            {
                throw new FileNotFoundException("build the gateway (cargo build) and name it in FASTWAY_BIN; there is none at " + path);
            }
            return path;
        }

        private void Listen()
        {
            _process.ErrorDataReceived += (sender, line) => AddToLog(line.Data);
            _process.Start();
            _process.BeginErrorReadLine();
            var words = (_process.StandardOutput.ReadLine() ?? "").Split(' ', '=');
            if (words.Length != 5 || words[0] != "listening")
            {
                _process.WaitForExit();
                throw new InvalidOperationException("the gateway does not listen: " + string.Join(" ", words) + "\n" + Log);
            }
            Client = words[2];
            Server = words[4];
        }

        private void AddToLog(string line)
        {
            lock (_log)
            {
                _log.AppendLine(line);
            }
        }
    }
}
