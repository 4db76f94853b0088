using System;
using System.IO;
using NUnit.Framework;

namespace Fake
{
    /// <summary>Tests that end as the self-test wants: see the Go package two folders up.</summary>
    [TestFixture]
    public class FakeTests
    {
        [Test]
        public void Passes()
        {
        }

        [Test]
        public void FailsOnce()
        {
            string seen = Path.Combine(Environment.GetEnvironmentVariable("FAKE_DIR"), "seen");
            if (!File.Exists(seen))
            {
                File.WriteAllText(seen, "");
                Assert.Fail("the first time");
            }
        }

        [Test]
        public void FailsEachTime()
        {
            Assert.That(Environment.GetEnvironmentVariable("FAKE_FAILS"), Is.Null, "as it did before");
        }

        [Test]
        public void EndsTheProcess()
        {
            if (Environment.GetEnvironmentVariable("FAKE_CRASHES") != null)
            {
                Environment.Exit(134);
            }
        }
    }
}
