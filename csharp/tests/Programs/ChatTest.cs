using System;
using System.IO;
using Fastway.Tests.Support;
using NUnit.Framework;

namespace Fastway.Tests.Programs
{
    /// <summary>The terminal of the chat, in the room that the Rust example opens.</summary>
    [TestFixture]
    public class ChatTest : GatewayTest
    {
        [Test]
        public void Players_of_two_languages_talk_in_the_room()
        {
            var gateway = StartGateway("--server-auth-key \"\"");
            var room = Owned(MonoProgram.RunNative(RustChat(), "server " + gateway.Server));
            Assert.AreEqual("the room is open", room.Output.ReadLine());
            var ann = Owned(MonoProgram.RunNative(RustChat(), "join " + gateway.Client + " ann"));
            Assert.AreEqual("* you are the first here", ann.Output.ReadLine());
            var bob = Owned(MonoProgram.Run("fastway-chat.exe", gateway.Client + " bob"));
            Assert.AreEqual("* here with you: ann", bob.Output.ReadLine());
            Assert.AreEqual("* bob joined", ann.Output.ReadLine());
            bob.Say("hello from C#");
            Assert.AreEqual("bob: hello from C#", ann.Output.ReadLine());
            ann.Say("hello from Rust");
            Assert.AreEqual("ann: hello from Rust", bob.Output.ReadLine());
            bob.Input.Close();
            Assert.AreEqual(0, bob.Wait(Patience));
            Assert.AreEqual("* bob left", ann.Output.ReadLine());
        }

        private static string RustChat()
        {
            var chat = Environment.GetEnvironmentVariable("FASTWAY_CHAT_BIN");
            Assert.IsTrue(chat != null && File.Exists(chat), "build the Rust chat (cargo build --example chat), or name it in FASTWAY_CHAT_BIN: " + chat);
            return chat;
        }
    }
}
