using System;
using System.IO;
using System.Text.RegularExpressions;
using System.Xml;
using Fastway.Tests.Vectors;
using NUnit.Framework;

namespace Fastway.Tests.Packaging
{
    /// <summary>The project file of .NET users says the same as csharp/test.sh, which builds what is tested.</summary>
    [TestFixture]
    public class ProjectTest
    {
        private static readonly string Repository = FindRepository();

        private readonly XmlDocument _project = new XmlDocument();

        [SetUp]
        public void Load()
        {
            _project.Load(Path.Combine(Repository, "csharp/src/Fastway.csproj"));
        }

        [Test]
        public void It_compiles_exactly_the_sources_that_are_tested()
        {
            var script = File.ReadAllText(Path.Combine(Repository, "csharp/test.sh"));
            StringAssert.Contains("build library Fastway.dll csharp/src ", script);
            StringAssert.Contains("-recurse:\"$folder/*.cs\"", script);
            Assert.AreEqual(0, _project.SelectNodes("//ItemGroup | //Import | //Target").Count);
            Assert.IsNull(Property("EnableDefaultCompileItems"));
            // What the SDK would leave out, mcs would not.
            Assert.IsFalse(Directory.Exists(Path.Combine(Repository, "csharp/src/bin")));
            Assert.IsFalse(Directory.Exists(Path.Combine(Repository, "csharp/src/obj")));
        }

        [Test]
        public void It_is_as_strict_as_the_build_that_is_tested()
        {
            Assert.AreEqual("netstandard2.0", Property("TargetFramework"));
            Assert.AreEqual("7.0", Property("LangVersion"));
            Assert.AreEqual("true", Property("TreatWarningsAsErrors"));
            Assert.AreEqual("true", Property("GenerateDocumentationFile"));
            Assert.AreEqual("false", Property("AllowUnsafeBlocks"));
            Assert.AreEqual("Fastway", Property("AssemblyName"));
        }

        [Test]
        public void All_packages_have_the_version_of_the_gateway()
        {
            var cargo = File.ReadAllText(Path.Combine(Repository, "Cargo.toml"));
            var version = Regex.Match(cargo, "^version = \"(.*)\"$", RegexOptions.Multiline).Groups[1].Value;
            Assert.AreEqual(version, Property("Version"));
            var unity = Json.Parse(File.ReadAllText(Path.Combine(Repository, "csharp/unity/package.json")));
            Assert.AreEqual(version, unity["version"].Text);
        }

        private static string FindRepository()
        {
            var start = Environment.GetEnvironmentVariable("FASTWAY_REPOSITORY");
            Assert.IsNotNull(start, "csharp/test.sh sets FASTWAY_REPOSITORY");
            return start;
        }

        private string Property(string name)
        {
            var element = _project.SelectSingleNode("//" + name);
            return element == null ? null : element.InnerText;
        }
    }
}
