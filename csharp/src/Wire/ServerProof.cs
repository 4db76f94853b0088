using Fastway.Crypto;

namespace Fastway.Wire
{
    /// <summary>A game server's side of the handshake on the server port (docs/protocol.md, server handshake).</summary>
    internal static class ServerProof
    {
        public const int ChallengeBytes = 8;
        public const int ResponseBytes = Md5.HashBytes + 4;

        /// <summary>MD5 of the challenge and the key, then the ServerID.</summary>
        public static byte[] Respond(byte[] challenge, byte[] key, uint serverId)
        {
            var response = new byte[ResponseBytes];
            Md5.Digest(challenge, key).CopyTo(response, 0);
            LittleEndian.Write(serverId, response, Md5.HashBytes);
            return response;
        }
    }
}
