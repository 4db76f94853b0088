using System;

namespace Fastway
{
    /// <summary>What all errors of this library have in common.</summary>
    public abstract class FastwayException : Exception
    {
        /// <summary>An error with a message for people.</summary>
        /// <param name="message">What went wrong.</param>
        /// <param name="cause">What caused it, if that is another error.</param>
        protected FastwayException(string message, Exception cause) : base(message, cause)
        {
        }
    }
}
