using Fastway.Tests.Vectors;
using Fastway.Wire;
using NUnit.Framework;

namespace Fastway.Tests.Wire
{
    [TestFixture]
    public class ServerProofTest
    {
        [Test]
        public void The_golden_challenges_are_answered()
        {
            var answered = 0;
            foreach (var vector in VectorFile.Read("handshake.json"))
            {
                if (vector["error"] != null)
                {
                    continue;
                }
                var response = ServerProof.Respond(vector["challenge"].Bytes, vector["key"].Bytes, (uint)vector["server"].Number);
                Assert.AreEqual(vector["response"].Bytes, response, vector["name"].Text);
                answered++;
            }
            Assert.Greater(answered, 0);
        }
    }
}
