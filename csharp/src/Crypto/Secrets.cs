using System;

namespace Fastway.Crypto
{
    /// <summary>Keeps what a handshake knew out of the memory that the program goes on with.</summary>
    internal static class Secrets
    {
        /// <summary>Overwrites arrays with zeros; null is passed over.</summary>
        public static void Wipe(params Array[] secrets)
        {
            foreach (var secret in secrets)
            {
                if (secret != null)
                {
                    Array.Clear(secret, 0, secret.Length);
                }
            }
        }
    }
}
