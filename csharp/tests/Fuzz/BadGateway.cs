using System;
using System.IO;
using Fastway.Wire;

namespace Fastway.Tests.Fuzz
{
    /// <summary>What a gateway might send, and what none sends: right frames in a random order, some of them damaged.</summary>
    internal sealed class BadGateway
    {
        private const int MostFrames = 24;
        private const int Ids = 4;

        private readonly Random _random;
        private readonly MemoryStream _bytes = new MemoryStream();

        public BadGateway(Random random)
        {
            _random = random;
        }

        public byte[] Say(bool answersFirst)
        {
            if (answersFirst)
            {
                Add(Command.Ping());
            }
            for (var count = _random.Next(MostFrames); count > 0; count--)
            {
                AddFrame();
            }
            var bytes = _bytes.ToArray();
            for (var damages = _random.Next(3); damages > 0 && bytes.Length > 0; damages--)
            {
                bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256);
            }
            Array.Resize(ref bytes, _random.Next(4) == 0 ? _random.Next(bytes.Length + 1) : bytes.Length);
            return bytes;
        }

        private void AddFrame()
        {
            switch (_random.Next(8))
            {
                case 0:
                    Add(Command.Accept(Id(), Id()));
                    break;
                case 1:
                    Add(Command.Connect(Id(), Id()));
                    break;
                case 2:
                    Add(Command.Refuse(Id()));
                    break;
                case 3:
                    Add(Command.Close(Id()));
                    break;
                case 4:
                    Add(_random.Next(2) == 0 ? Command.Ping() : Command.Dial(Id()));
                    break;
                default:
                    AddData();
                    break;
            }
        }

        private void AddData()
        {
            var payload = new byte[_random.Next(100)];
            _random.NextBytes(payload);
            var header = new byte[Frame.HeaderBytes];
            Frame.WriteHeader(header, 0, Id(), payload.Length);
            _bytes.Write(header, 0, header.Length);
            _bytes.Write(payload, 0, payload.Length);
        }

        private void Add(Command command)
        {
            var frame = new byte[Command.MaxFrameBytes];
            _bytes.Write(frame, 0, command.WriteFrame(frame, 0));
        }

        private uint Id()
        {
            return (uint)_random.Next(Ids);
        }
    }
}
