using System;
using System.Collections.Generic;
using System.IO;
using NUnit.Framework;

namespace Fastway.Tests.Vectors
{
    /// <summary>The golden vectors that all languages share, in <c>tests/vectors</c>.</summary>
    internal static class VectorFile
    {
        public static IReadOnlyList<Json> Read(string name)
        {
            var text = File.ReadAllText(Path.Combine(Folder(), name));
            var vectors = Json.Parse(text)["vectors"].Items;
            Assert.IsNotEmpty(vectors as System.Collections.ICollection, name);
            return vectors;
        }

        /// <summary>Above the folder that the tests were started in, or above the one that they were built to.</summary>
        private static string Folder()
        {
            foreach (var start in new[] { TestContext.CurrentContext.WorkDirectory, AppDomain.CurrentDomain.BaseDirectory })
            {
                for (var folder = new DirectoryInfo(start); folder != null; folder = folder.Parent)
                {
                    var vectors = Path.Combine(folder.FullName, "tests", "vectors");
                    if (Directory.Exists(vectors))
                    {
                        return vectors;
                    }
                }
            }
            throw new DirectoryNotFoundException("tests/vectors");
        }
    }
}
