using System;
using Fastway.Crypto;

namespace Snet
{
    /// <summary>
    /// Diffie-Hellman over 64 bits, as legacy sessions have it (docs/protocol.md §2). It is no obstacle to an attacker.
    /// </summary>
    public class DH64
    {
        /// <summary>Makes a private key at random, and its public key.</summary>
        /// <param name="privateKey">The private key.</param>
        /// <param name="publicKey">The public key.</param>
        public void KeyPair(out ulong privateKey, out ulong publicKey)
        {
            privateKey = DiffieHellman64.DrawPrivate(RandomSource.System);
            publicKey = PublicKey(privateKey);
        }

        /// <summary>The public key of a private one.</summary>
        /// <param name="privateKey">The private key.</param>
        /// <returns>The public key.</returns>
        /// <exception cref="ArgumentException">The private key is 0.</exception>
        public ulong PublicKey(ulong privateKey)
        {
            return Secret(privateKey, DiffieHellman64.Generator);
        }

        /// <summary>What both ends share.</summary>
        /// <param name="privateKey">The private key of this end.</param>
        /// <param name="anotherPublicKey">The public key of the other end.</param>
        /// <returns>The shared secret.</returns>
        /// <exception cref="ArgumentException">One of the keys is 0.</exception>
        public ulong Secret(ulong privateKey, ulong anotherPublicKey)
        {
            if (anotherPublicKey == 0)
            {
                throw new ArgumentException("DH64 zero public key", "anotherPublicKey");
            }
            if (privateKey == 0)
            {
                throw new ArgumentException("DH64 zero private key", "privateKey");
            }
            return DiffieHellman64.Power(anotherPublicKey % DiffieHellman64.Prime, privateKey);
        }
    }
}
