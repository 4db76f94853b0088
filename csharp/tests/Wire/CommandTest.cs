using System;
using Fastway.Tests.Vectors;
using Fastway.Wire;
using NUnit.Framework;

namespace Fastway.Tests.Wire
{
    [TestFixture]
    public class CommandTest
    {
        [Test]
        public void The_golden_commands_are_read_and_written()
        {
            foreach (var vector in VectorFile.Read("commands.json"))
            {
                var name = vector["name"].Text;
                Command command;
                var fault = Command.Parse(new ArraySegment<byte>(vector["payload"].Bytes), out command);
                if (vector["error"] != null)
                {
                    Assert.AreEqual(vector["error"].Text, fault.ToString(), name);
                    continue;
                }
                Assert.AreEqual(CommandFault.None, fault, name);
                CheckFields(vector["command"], command, name);
                CheckFrame(vector["frame"].Bytes, command, name);
            }
        }

        private static void CheckFields(Json expected, Command command, string name)
        {
            StringAssert.AreEqualIgnoringCase(expected["type"].Text, command.Type.ToString(), name);
            Assert.AreEqual(expected["conn"] == null ? 0 : expected["conn"].Number, command.ConnId, name);
            Assert.AreEqual(expected["remote"] == null ? 0 : expected["remote"].Number, command.RemoteId, name);
        }

        private static void CheckFrame(byte[] expected, Command command, string name)
        {
            var frame = new byte[Command.MaxFrameBytes];
            Array.Resize(ref frame, command.WriteFrame(frame, 0));
            Assert.AreEqual(expected, frame, name);
        }
    }
}
