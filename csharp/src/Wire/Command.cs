using System;
using Fastway.Crypto;

namespace Fastway.Wire
{
    /// <summary>The commands of docs/protocol.md §1.2.</summary>
    internal enum CommandType : byte
    {
        Dial = 0,
        Accept = 1,
        Connect = 2,
        Refuse = 3,
        Close = 4,
        Ping = 5
    }

    /// <summary>What is wrong with the payload of a command.</summary>
    internal enum CommandFault
    {
        None,
        Empty,
        Unknown,
        ShortArgs
    }

    /// <summary>A command, with those of the arguments that its type has.</summary>
    internal struct Command
    {
        /// <summary>The longest frame that a command needs.</summary>
        public const int MaxFrameBytes = Frame.HeaderBytes + 1 + 2 * IdBytes;

        private const int IdBytes = 4;

        public readonly CommandType Type;
        public readonly uint ConnId;
        public readonly uint RemoteId;

        private Command(CommandType type, uint connId, uint remoteId)
        {
            Type = type;
            ConnId = connId;
            RemoteId = remoteId;
        }

        public static Command Dial(uint remoteId)
        {
            return new Command(CommandType.Dial, 0, remoteId);
        }

        public static Command Accept(uint connId, uint remoteId)
        {
            return new Command(CommandType.Accept, connId, remoteId);
        }

        public static Command Connect(uint connId, uint remoteId)
        {
            return new Command(CommandType.Connect, connId, remoteId);
        }

        public static Command Refuse(uint remoteId)
        {
            return new Command(CommandType.Refuse, 0, remoteId);
        }

        public static Command Close(uint connId)
        {
            return new Command(CommandType.Close, connId, 0);
        }

        public static Command Ping()
        {
            return new Command(CommandType.Ping, 0, 0);
        }

        /// <summary>Reads the payload of a frame with ConnID 0. Bytes after the arguments are ignored.</summary>
        public static CommandFault Parse(ArraySegment<byte> payload, out Command command)
        {
            command = default(Command);
            if (payload.Count == 0)
            {
                return CommandFault.Empty;
            }
            var type = (CommandType)payload.Array[payload.Offset];
            if (type > CommandType.Ping)
            {
                return CommandFault.Unknown;
            }
            if (payload.Count < 1 + ArgsBytes(type))
            {
                return CommandFault.ShortArgs;
            }
            command = WithArgs(type, payload.Array, payload.Offset + 1);
            return CommandFault.None;
        }

        /// <summary>Writes the whole frame and gives its length.</summary>
        public int WriteFrame(byte[] to, int at)
        {
            var payloadBytes = 1 + ArgsBytes(Type);
            Frame.WriteHeader(to, at, Frame.CommandConnId, payloadBytes);
            at += Frame.HeaderBytes;
            to[at++] = (byte)Type;
            if (HasConnId(Type))
            {
                LittleEndian.Write(ConnId, to, at);
                at += IdBytes;
            }
            if (HasRemoteId(Type))
            {
                LittleEndian.Write(RemoteId, to, at);
            }
            return Frame.HeaderBytes + payloadBytes;
        }

        private static Command WithArgs(CommandType type, byte[] from, int at)
        {
            uint connId = 0;
            if (HasConnId(type))
            {
                connId = LittleEndian.ReadUInt32(from, at);
                at += IdBytes;
            }
            var remoteId = HasRemoteId(type) ? LittleEndian.ReadUInt32(from, at) : 0;
            return new Command(type, connId, remoteId);
        }

        private static int ArgsBytes(CommandType type)
        {
            return (HasConnId(type) ? IdBytes : 0) + (HasRemoteId(type) ? IdBytes : 0);
        }

        private static bool HasConnId(CommandType type)
        {
            return type == CommandType.Accept || type == CommandType.Connect || type == CommandType.Close;
        }

        private static bool HasRemoteId(CommandType type)
        {
            return type != CommandType.Close && type != CommandType.Ping;
        }
    }
}
