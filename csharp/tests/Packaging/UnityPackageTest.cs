using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Fastway.Tests.Support;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Packaging
{
    /// <summary>The package that csharp/unity/pack.sh makes has all that Unity wants.</summary>
    [TestFixture]
    public class UnityPackageTest
    {
        private static readonly string Repository = Environment.GetEnvironmentVariable("FASTWAY_REPOSITORY");

        private string _folder;
        private string _package;

        [TestFixtureSetUp]
        public void Pack()
        {
            _folder = Path.Combine(Path.GetTempPath(), "fastway-unity-" + Guid.NewGuid().ToString("N"));
            using (var pack = MonoProgram.RunNative(Path.Combine(Repository, "csharp/unity/pack.sh"), _folder))
            {
                Assert.IsTrue(File.Exists(pack.Output.ReadLine()), "there is no tarball");
                Assert.AreEqual(0, pack.Wait(60 * 1000));
            }
            _package = Path.Combine(_folder, "package");
        }

        [TestFixtureTearDown]
        public void Remove()
        {
            Directory.Delete(_folder, true);
        }

        [Test]
        public void All_sources_are_in_it()
        {
            var sources = Path.Combine(Repository, "csharp/src");
            var packed = Path.Combine(_package, "Runtime");
            CollectionAssert.AreEquivalent(Sources(sources), Sources(packed));
            Assert.Greater(Sources(packed).Count, 50);
            foreach (var source in Sources(sources))
            {
                FileAssert.AreEqual(Path.Combine(sources, source), Path.Combine(packed, source));
            }
        }

        [Test]
        public void Whatever_Unity_imports_has_a_meta_file_with_a_GUID_of_its_own()
        {
            var guids = new HashSet<string>();
            foreach (var asset in Directory.GetFileSystemEntries(_package, "*", SearchOption.AllDirectories))
            {
                if (asset.EndsWith(".meta") || asset.Substring(_package.Length).Contains("~"))
                {
                    continue;
                }
                Assert.IsTrue(File.Exists(asset + ".meta"), asset);
                var guid = File.ReadAllLines(asset + ".meta")[1];
                StringAssert.IsMatch("^guid: [0-9a-f]{32}$", guid);
                Assert.IsTrue(guids.Add(guid), asset);
            }
            Assert.Greater(guids.Count, 50);
        }

        [Test]
        public void Its_samples_and_assembly_definitions_are_where_it_says()
        {
            var manifest = Json.Parse(File.ReadAllText(Path.Combine(_package, "package.json")));
            Assert.AreEqual("com.fastway.sdk", manifest["name"].Text);
            foreach (var sample in manifest["samples"].Items)
            {
                var folder = Path.Combine(_package, sample["path"].Text);
                Assert.IsNotEmpty(Directory.GetFiles(folder, "*.cs"));
                Assert.IsNotEmpty(Directory.GetFiles(folder, "*.asmdef"));
            }
            var assembly = Json.Parse(File.ReadAllText(Path.Combine(_package, "Runtime/Fastway.asmdef")));
            Assert.AreEqual("Fastway", assembly["name"].Text);
        }

        private static List<string> Sources(string folder)
        {
            return Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
                .Select(path => path.Substring(folder.Length + 1)).ToList();
        }
    }
}
