using System.Diagnostics;

namespace Fastway.Tests.Support
{
    /// <summary>How programs are started that a test talks to.</summary>
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
    }
}
