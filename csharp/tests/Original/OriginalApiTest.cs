using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NUnit.Framework;

namespace Fastway.Tests.Original
{
    /// <summary>Whatever a program for the original can name is here, under the same name and with the same types.</summary>
    [TestFixture]
    public class OriginalApiTest
    {
        private static readonly string[] Table = File.ReadAllLines(Path.Combine(
                Environment.GetEnvironmentVariable("FASTWAY_REPOSITORY"), "csharp/tests/Original/original-api.txt"))
            .Where(line => line.Length > 0 && line[0] != '#').ToArray();

        [Test]
        public void Every_public_member_of_the_original_is_here()
        {
            var ours = new HashSet<string>(Table.Select(TypeOf).Distinct().SelectMany(LinesOf));
            CollectionAssert.IsEmpty(Table.Where(line => !ours.Contains(line)));
        }

        [Test]
        public void The_table_names_all_types_of_the_original()
        {
            CollectionAssert.AreEquivalent(
                new[]
                {
                    "Fastway.Conn", "Fastway.EndPoint", "Fastway.PingTimeoutAction", "Snet.DH64", "Snet.RC4Cipher",
                    "Snet.RC4KeySizeException", "Snet.RC4Stream", "Snet.SnetStream"
                },
                Table.Select(TypeOf).Distinct());
        }

        private static string TypeOf(string line)
        {
            return line.Substring(0, line.IndexOfAny(new[] { ' ', ':' }));
        }

        private static IEnumerable<string> LinesOf(string name)
        {
            var type = typeof(EndPoint).Assembly.GetType(name);
            return type == null ? Enumerable.Empty<string>() : PublicApi.LinesOf(type);
        }
    }
}
