using System;
using System.IO;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Interop
{
    /// <summary>The peers of the SDKs, which do what the other end says (tests/interop/README.md).</summary>
    internal static class Peer
    {
        public const string CSharp = "C#";
        public const string Rust = "Rust";
        public const string Go = "Go";

        public static MonoProgram Start(string language, string arguments)
        {
            switch (language)
            {
                case CSharp:
                    return MonoProgram.Run("fastway-peer.exe", arguments);
                case Rust:
                    return MonoProgram.RunNative(Built("FASTWAY_PEER_BIN"), arguments);
                default:
                    return MonoProgram.RunNative(Built("FASTWAY_GO_PEER_BIN"), arguments);
            }
        }

        private static string Built(string variable)
        {
            var path = Environment.GetEnvironmentVariable(variable);
            Assert.IsTrue(path != null && File.Exists(path), "there is no peer where " + variable + " says: " + path);
            return path;
        }
    }
}
