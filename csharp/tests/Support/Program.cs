using System;
using System.ComponentModel;
using System.Diagnostics;

namespace Fastway.Tests.Support
{
    /// <summary>How programs are started and ended that a test talks to.</summary>
    internal static class Program
    {
        public static ProcessStartInfo Start(string path, string arguments, string folder)
        {
            return new ProcessStartInfo(path, arguments)
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = folder
            };
        }

        /// <summary>Ends it without a word, and waits for that.</summary>
        public static void Kill(Process process)
        {
            try
            {
                process.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended before.
            }
            catch (Win32Exception)
            {
                // It ends in this moment.
            }
            process.WaitForExit();
        }
    }
}
