using System;
using Fastway.Crypto;
using Fastway.Sessions.Legacy;
using Fastway.Sessions.Secure;

namespace Fastway.Sessions
{
    /// <summary>
    /// A byte stream in each direction that outlives its transports: the end of a client or a game server. It does no I/O:
    /// bytes, times (milliseconds of a clock that never falls) and randomness go in, bytes, times and events come out.
    /// In steady state it allocates nothing. It is not safe for threads.
    /// </summary>
    /// <remarks>
    /// <code>
    ///                  ┌──── Established ────┐               ┌──────── Resumed ────────┐
    ///                  │                     ▼               │                         ▼
    ///   new, Connect ──┴─ patience ─▶ Ended  Live ── cut, fault, Connect ──▶ Interrupted ── wait time ──▶ Ended
    ///                                         └─ closed on both sides, aborted, fault of the peer ──▶ Ended
    /// </code>
    /// What the owner does:
    /// for each new transport it calls <see cref="Connect"/> and sends what that gives;
    /// it reads a transport into <see cref="ReceiveSpace"/> and calls <see cref="Receive"/>;
    /// it sends what <see cref="Send"/> gives, whenever <see cref="HasOutput"/>;
    /// it calls <see cref="Tick"/> at <see cref="Timeout"/>, and acts on <see cref="PollEvent"/> after each call.
    /// After a fault it sends once more if there is output, and closes the transport.
    /// </remarks>
    internal abstract class Session
    {
        /// <summary>The least that a buffer to send from must hold: a whole record.</summary>
        public const int MinSendBytes = Record.MaxBytes;
        /// <summary>The least that must be kept until it is acknowledged.</summary>
        public const int MinReplayBytes = 64 * 1024;

        /// <summary>Refusals in a row after which the acceptor is believed.</summary>
        private const int RefusalsBelieved = 4;

        private int _refusals;

        protected Session(int replayBytes, long patience, long now, RandomSource random)
        {
            Outbox = new ReplayBuffer(replayBytes);
            Lifecycle = new Lifecycle(patience, now);
            Random = random;
        }

        protected Lifecycle Lifecycle { get; }

        protected RandomSource Random { get; }

        /// <summary>What the owner wrote, from the first byte on that may have to be sent.</summary>
        protected ReplayBuffer Outbox { get; }

        protected Inbox Inbox { get; } = new Inbox(2 * Record.MaxBytes);

        /// <summary>A secure session (docs/protocol.md §3), to be opened by <see cref="Connect"/> within
        /// <paramref name="patience"/>. The key is the gateway's public one, or null to believe whoever answers; up to
        /// <paramref name="replayBytes"/> wait to be acknowledged.</summary>
        public static Session Secure(byte[] pinnedKey, int replayBytes, long patience, long now, RandomSource random)
        {
            return new SecureSession(pinnedKey, Math.Max(replayBytes, MinReplayBytes), patience, now, random);
        }

        /// <summary>A legacy session (docs/protocol.md §2), to be opened within <paramref name="patience"/>, which is the
        /// time that it waits for a transport, too. Up to <paramref name="replayBytes"/> wait to be sent, and as many are
        /// kept to be sent again.</summary>
        public static Session Legacy(bool encrypt, int replayBytes, long patience, long now, RandomSource random)
        {
            return new LegacySession(encrypt, replayBytes, patience, now, random);
        }

        /// <summary>Opens or resumes the session by a new transport, and gives the bytes to send on it first. An older one
        /// is given up.</summary>
        public ArraySegment<byte> Connect(long now)
        {
            if (End != null)
            {
                throw new InvalidOperationException("The session is over: " + End);
            }
            TransportLost(now);
            var attempt = NewAttempt();
            Use(attempt);
            return new ArraySegment<byte>(attempt.Hello);
        }

        /// <summary>Makes the first message of one more transport, beside one that has no reply. It is of no use any more when
        /// a transport carries the session.</summary>
        public Attempt ConnectBeside()
        {
            if (End != null || IsLive)
            {
                throw new InvalidOperationException("The session needs no transport: " + End);
            }
            return NewAttempt();
        }

        /// <summary>Whether the other end may have gone on by the transport of this attempt, instead of the one that carries the
        /// session here: it was the newer one, and the other end has acknowledged nothing by that one yet.</summary>
        public virtual bool MayGoOnBy(Attempt attempt)
        {
            return false;
        }

        /// <summary>Leaves the attempt whose reply is not there yet to the owner, with what has come of that reply. Null if there
        /// is none, or no other one may carry the session before it.</summary>
        public virtual Attempt LeaveAttempt(out byte[] reply)
        {
            reply = null;
            return null;
        }

        /// <summary>The transport of this attempt, which is answered, takes the place of the one before: from now on its bytes
        /// are received.</summary>
        public void GoOnBy(Attempt attempt)
        {
            Inbox.Forget();
            DropTransport();
            Use(attempt);
        }

        /// <summary>An attempt beside another one has this whole reply, and is refused by it. The others go on.</summary>
        public abstract void RefusedBeside(byte[] reply, long now);

        /// <summary>The transport has ended or failed. Without one, nothing happens.</summary>
        public void TransportLost(long now)
        {
            ReadLastWords();
            Inbox.Forget();
            var wasLive = IsLive;
            DropTransport();
            if (wasLive && End == null)
            {
                Lifecycle.Interrupted(now);
            }
        }

        /// <summary>The owner is done with the session: nothing that could be used for it stays in memory.</summary>
        public virtual void Forget()
        {
            DropTransport();
        }

        /// <summary>Where to read the transport to; never empty. It overwrites what <see cref="Receive"/> gave.</summary>
        public ArraySegment<byte> ReceiveSpace()
        {
            return Inbox.Space();
        }

        /// <summary>Takes bytes that were read into <see cref="ReceiveSpace"/>. They may give bytes of the stream even with
        /// a fault, from before it. After a fault the session does not know the transport any more.</summary>
        public Fault Receive(int count, long now, out ArraySegment<byte> stream)
        {
            Inbox.Add(count);
            var fault = End != null ? Fault.Over : Read(now);
            stream = Inbox.Stream;
            if (fault == Fault.Over)
            {
                Inbox.Forget();
            }
            else if (fault != Fault.None)
            {
                TransportLost(now);
            }
            return fault;
        }

        /// <summary>Bytes that <see cref="Write"/> takes now.</summary>
        public int Room
        {
            get { return Outbox.Room; }
        }

        /// <summary>Has the last bytes received not be acknowledged until this is called again with less: so whoever reads
        /// ahead of its user holds the other end back. Legacy sessions acknowledge nothing.</summary>
        public virtual void Withhold(int bytes, long now)
        {
        }

        /// <summary>Bytes written that the other end is not known to have; in a legacy session, that were not sent.</summary>
        public int Kept
        {
            get { return Outbox.Count; }
        }

        /// <summary>Takes as many bytes as there is room for, and says how many. None are taken when it is over.</summary>
        public int Write(byte[] bytes, int offset, int count)
        {
            if (IsClosed)
            {
                throw new InvalidOperationException("The session was closed in this direction.");
            }
            return End == null ? Outbox.Push(bytes, offset, count) : 0;
        }

        /// <summary>Whether <see cref="Send"/> has something to send.</summary>
        public abstract bool HasOutput(long now);

        /// <summary>Writes what is to be sent by the live transport now, and says how many bytes that is. It sends nothing
        /// twice, so all of it must reach the transport, in order, or the transport be given up.</summary>
        public int Send(byte[] to, int offset, int count, long now)
        {
            if (count < MinSendBytes)
            {
                throw new ArgumentOutOfRangeException("count", count, "a whole record must fit");
            }
            return Fill(to, offset, count, now);
        }

        /// <summary>When <see cref="Tick"/> is to be called, and <see cref="Send"/> after it; <see cref="Lifecycle.Never"/> if
        /// not at all. It stays in the past while something that is due cannot be sent.</summary>
        public abstract long Timeout { get; }

        /// <summary>Time has passed. Early or late calls do no harm.</summary>
        public void Tick(long now)
        {
            Lifecycle.Tick(now);
        }

        /// <summary>What happened, oldest first.</summary>
        public bool PollEvent(out SessionEvent happened)
        {
            return Lifecycle.Poll(out happened);
        }

        /// <summary>Whether a transport carries the session.</summary>
        public abstract bool IsLive { get; }

        /// <summary>Ends this direction behind what was written. A secure session is over when the other end has closed as
        /// well and everything has arrived, a legacy one when all is sent.</summary>
        public abstract void Close();

        /// <summary>Whether <see cref="Close"/> was called.</summary>
        public abstract bool IsClosed { get; }

        /// <summary>Ends the session at once, for one of the reasons of docs/protocol.md §3.2. What <see cref="Send"/> gives
        /// once more tells the other end.</summary>
        public abstract void Abort(byte reason);

        /// <summary>Why it is over; null while it lives.</summary>
        public SessionEnd End
        {
            get { return Lifecycle.End; }
        }

        /// <summary>Count of what was received: bytes, and one for the close.</summary>
        public abstract ulong Received { get; }

        /// <summary>Count of what got through in either direction, as far as this end knows: it grows only while transports
        /// are of use.</summary>
        public abstract ulong Progress { get; }

        /// <summary>An open, or a resume where there is something to resume.</summary>
        protected abstract Attempt NewAttempt();

        /// <summary>What is received next is the reply to this one.</summary>
        protected abstract void Use(Attempt attempt);

        /// <summary>Forgets the transport, live or not.</summary>
        protected abstract void DropTransport();

        /// <summary>Reads what is unread in the inbox and means something because nothing follows it.</summary>
        protected virtual void ReadLastWords()
        {
        }

        /// <summary>Reads what is unread in the inbox, as far as it goes.</summary>
        protected abstract Fault Read(long now);

        protected abstract int Fill(byte[] to, int offset, int count, long now);

        /// <summary>A transport carries the session.</summary>
        protected void Connected()
        {
            _refusals = 0;
            Lifecycle.Connected();
        }

        /// <summary>Counts a refusal, and ends the session when there were enough in a row to be believed.</summary>
        protected void Refused(byte status)
        {
            Refused(status, 0, 0);
        }

        /// <summary>The same for an overloaded acceptor that says after how many milliseconds it wants to be asked
        /// again.</summary>
        protected void Refused(byte status, int retryAfter, long now)
        {
            Lifecycle.Refused(status, retryAfter, now);
            if (Status.WouldBeFinal(status))
            {
                _refusals++;
            }
            if (_refusals >= RefusalsBelieved)
            {
                Lifecycle.Finish(SessionEnd.Refused(status));
            }
        }

        /// <summary>Ends the session by what was read.</summary>
        protected Fault Over(SessionEnd end)
        {
            Lifecycle.Finish(end);
            return Fault.Over;
        }
    }
}
