using System;
using System.Diagnostics;
using System.IO;

namespace Fastway.Tests.Support
{
    /// <summary>A program that was built beside the tests, or any other; it ends with the test.</summary>
    internal sealed class MonoProgram : IDisposable
    {
        private readonly Process _process;

        private MonoProgram(Process process)
        {
            _process = process;
        }

        public StreamReader Output
        {
            get { return _process.StandardOutput; }
        }

        public StreamWriter Input
        {
            get { return _process.StandardInput; }
        }

        /// <summary>Runs one of this SDK's programs.</summary>
        public static MonoProgram Run(string name, string arguments)
        {
            var path = Path.Combine(AppDomain.CurrentDomain.BaseDirectory, name);
            Assert(File.Exists(path), "csharp/test.sh builds " + path);
            return RunNative("mono", "\"" + path + "\" " + arguments);
        }

        /// <summary>Runs any program; its log goes to that of the tests.</summary>
        public static MonoProgram RunNative(string path, string arguments)
        {
            var process = new Process { StartInfo = Program.Start(path, arguments, Path.GetTempPath()) };
            process.ErrorDataReceived += (sender, line) => Console.Error.Write(line.Data == null ? "" : line.Data + "\n");
            process.Start();
            process.BeginErrorReadLine();
            return new MonoProgram(process);
        }

        /// <summary>Types a line.</summary>
        public void Say(string line)
        {
            Input.WriteLine(line);
            Input.Flush();
        }

        /// <summary>Waits for its end; the exit code.</summary>
        public int Wait(int milliseconds)
        {
            Assert(_process.WaitForExit(milliseconds), "the program does not end");
            return _process.ExitCode;
        }

        public void Dispose()
        {
            Program.Kill(_process);
            _process.Dispose();
        }

        private static void Assert(bool isSo, string otherwise)
        {
            if (!isSo)
            {
                throw new InvalidOperationException(otherwise);
            }
        }
    }
}
