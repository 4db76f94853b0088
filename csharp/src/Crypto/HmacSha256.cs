namespace Fastway.Crypto
{
    /// <summary>The message authentication code HMAC (RFC 2104) with SHA-256.</summary>
    internal static class HmacSha256
    {
        /// <summary>The code of a message, which is given in pieces.</summary>
        public static byte[] Of(byte[] key, params byte[][] message)
        {
            var block = new byte[Sha256.BlockBytes];
            (key.Length > block.Length ? Sha256.Hash(key) : key).CopyTo(block, 0);
            var innerBlock = Masked(block, 0x36);
            var inner = new Sha256().Update(innerBlock);
            foreach (var piece in message)
            {
                inner.Update(piece);
            }
            var outerBlock = Masked(block, 0x5c);
            var innerCode = inner.Finish();
            var outer = new Sha256().Update(outerBlock).Update(innerCode);
            var code = outer.Finish();

            Secrets.Wipe(block, innerBlock, outerBlock, innerCode);
            inner.Wipe();
            outer.Wipe();
            return code;
        }

        private static byte[] Masked(byte[] block, byte mask)
        {
            var masked = new byte[block.Length];
            for (var i = 0; i < block.Length; i++)
            {
                masked[i] = (byte)(block[i] ^ mask);
            }
            return masked;
        }
    }
}
