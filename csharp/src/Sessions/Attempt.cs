namespace Fastway.Sessions
{
    /// <summary>One attempt of a session to get a transport: its first message, and what the reply is read with.</summary>
    internal abstract class Attempt
    {
        protected Attempt(byte[] hello)
        {
            Hello = hello;
        }

        /// <summary>What to send first.</summary>
        public byte[] Hello { get; }

        /// <summary>Whether these bytes are a whole reply, or more.</summary>
        public abstract bool IsAnswered(byte[] bytes, int count);

        /// <summary>Whether a whole reply refuses it.</summary>
        public abstract bool IsRefusedBy(byte[] reply);

        /// <summary>Whether a whole reply that does not refuse it comes from the other end of the session.</summary>
        public virtual bool IsAuthentic(byte[] reply)
        {
            return true;
        }

        /// <summary>It is of no more use.</summary>
        public virtual void Forget()
        {
        }
    }
}
