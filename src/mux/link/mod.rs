//! A physical link: the byte stream to one peer, what was received of it in part, and what waits for it.

mod after_io;
mod age;
pub(crate) mod events;
mod inbox;
mod outbox;
mod pressure;
mod read_limit;
mod reason;
mod session;
mod stream;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
mod turn_clock;
mod waits;
pub(crate) mod watch;

use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use age::HeldFor;
use fastway_service::clock::Millis;
use fastway_service::wake::wake_after_look;
use fastway_session::{Names, Protocol, Resume};
use fastway_transport::Stream;
// What the answers of `Observe` name as well.
pub(crate) use fastway_admin::observe::{Traffic, WaitReason, WaitReport, Waiting};
pub use fastway_transport::TransportKind;
pub use inbox::{Inbox, Progress, Sizes};
pub use outbox::Outbox;
pub(crate) use pressure::{Bounds, ReadPause};
use rand::CryptoRng;
pub(crate) use read_limit::ReadLimit;
pub use reason::CloseKind;
pub(crate) use reason::CloseReason;
pub(crate) use session::{HandshakeGuard, LinkSession, RefusedStream};
pub(crate) use stream::{LinkStream, Remains};
pub(crate) use turn_clock::TurnClock;
pub(crate) use waits::Waits;
use watch::Watch;

use crate::mux::accept::admission::Permit;
use crate::mux::pool::LocalPool;
use crate::mux::routing::{LinkAddr, Origin, Role, Side};

/// A link of one worker.
///
/// ```text
///   Open ──EOF, or the gateway stops──> Closing ──the peer has all, or the deadline──> removed
///     └──────any other CloseReason─────────────────────────────────────────────────────> removed
/// ```
///
/// The fields keep their order: what every frame touches comes first, on as few cache lines as it takes. Of thousands of
/// links that speak now and then, none is in the processor's cache when its turn comes.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    pub(crate) addr: LinkAddr,
    /// Whether the link is on the list of those to be flushed at the end of the turn.
    pub(crate) dirty: bool,
    /// Whether the transport took less than there was; the task flushes when it takes more.
    pub(crate) blocked: bool,
    /// Why the link is not read, if it is not.
    pub(crate) pause: ReadPause,
    /// Whether so much waits for the link, a server's, that its sources are paused.
    pub(crate) congested: bool,
    /// Whether sending has failed; nothing more is queued.
    pub(crate) write_failed: bool,
    pub(crate) role: Role,
    pub(crate) state: State,
    /// How much the next read may take.
    pub(crate) read_limit: ReadLimit,
    stream: LinkStream,
    /// Wakes the link's task.
    waker: Waker,
    pub(crate) outbox: Outbox,
    /// Memory that the inbox takes, in bytes, beside what a flush touches.
    partial_bytes: usize,
    /// Bytes of this link, a client's, in the account of the process.
    pub(crate) accounted_bytes: usize,
    pub(crate) waits: Waits,
    pub(crate) traffic: Traffic,
    pub(crate) watch: Watch,
    pub(crate) inbox: Inbox,
    held_for: Option<Box<HeldFor>>,
    pub(crate) peer: SocketAddr,
    pub(crate) opened: Millis,
    permit: Permit,
}

/// Where a link is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is read and written.
    Open,
    /// It has no connections left, and until the deadline it gets what still waits for it.
    Closing {
        /// When it is closed with whatever waits.
        deadline: Millis,
        /// Whether the peer may still send; that is read and dropped.
        peer_sends: bool,
    },
}

impl Link {
    /// A link that is admitted now.
    pub(crate) fn new(
        addr: LinkAddr,
        role: Role,
        peer: SocketAddr,
        stream: LinkStream,
        permit: Permit,
        now: Millis,
    ) -> Self {
        Self {
            addr,
            role,
            peer,
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            partial_bytes: 0,
            accounted_bytes: 0,
            held_for: None,
            waker: Waker::noop().clone(),
            state: State::Open,
            read_limit: match role.side() {
                Side::Client => ReadLimit::FIRST,
                Side::Server => ReadLimit::NONE,
            },
            dirty: false,
            blocked: true,
            pause: ReadPause::default(),
            congested: false,
            write_failed: false,
            watch: Watch::default(),
            traffic: Traffic::default(),
            waits: Waits::default(),
            opened: now,
            permit,
        }
    }

    /// Remembers which task to wake.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// Has the link's task look at the link again, once those have been looked at whose sockets became readable meanwhile.
    pub(crate) fn wake(&self) {
        wake_after_look(&self.waker);
    }

    /// Reads into `scratch`; see [`LinkStream::poll_recv`].
    #[inline]
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
        clock: &TurnClock,
    ) -> Poll<Result<usize, CloseReason>> {
        self.stream.poll_recv(cx, scratch, limit, clock)
    }

    /// Reads though the link is not to be read; see [`LinkStream::poll_read_ahead`].
    pub(crate) fn poll_read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], clock: &TurnClock) -> Poll<()> {
        self.stream.poll_read_ahead(cx, scratch, clock)
    }

    /// Whether the link may be read; `gateway_reads`: the gateway does not stop.
    #[inline]
    pub(crate) fn is_read(&self, gateway_reads: bool) -> bool {
        match self.state {
            State::Open => gateway_reads && self.pause.is_empty(),
            State::Closing { peer_sends, .. } => self.stream.is_read_while_closing(peer_sends),
        }
    }

    /// How many bytes may be read now, `most` at most; `None`: the link is not to be read. `is_limited`: a client may send only
    /// what each sweep gives out.
    #[inline]
    pub(crate) fn may_read(&self, most: usize, gateway_reads: bool, is_limited: bool) -> Option<usize> {
        if !self.is_read(gateway_reads) {
            return None;
        }
        let limit = self.read_limit.bytes().min(most);
        match self.state {
            State::Open if is_limited && self.role == Role::Client => self.watch.within_allowance(limit),
            _ => Some(limit),
        }
    }

    /// Notes that so many bytes were read.
    #[inline]
    pub(crate) fn note_read(&mut self, bytes: usize, is_limited: bool, clock: &TurnClock) {
        self.watch.heard = true;
        self.watch.spend(bytes);
        if is_limited && self.watch.allowance == 0 && self.role == Role::Client {
            self.waits.begin(WaitReason::ByteRate, clock);
        }
        self.traffic.received_bytes += bytes as u64;
    }

    /// Notes that a read has completed so many frames, and how much of another one is there in part.
    #[inline]
    pub(crate) fn note_routed(&mut self, bytes: usize, frames: u64) {
        self.traffic.received_frames += frames;
        self.partial_bytes = self.inbox.held_bytes();
        if self.role.side() == Side::Client {
            self.read_limit.adapt(bytes, frames);
        }
    }

    /// Queues packets for the link.
    #[inline]
    pub(crate) fn append(&mut self, pool: &mut LocalPool, bytes: &[u8], packets: usize, origin: Origin) {
        self.outbox.append(pool, bytes, packets, origin);
    }

    /// Sends as much of the outbox as the stream takes; when that is not all, the task is woken for the rest.
    #[inline]
    pub(crate) fn flush(
        &mut self,
        pool: &mut LocalPool,
        sealed: &mut Vec<u8>,
        clock: &TurnClock,
    ) -> std::io::Result<()> {
        let before = self.outbox.waiting();
        let mut cx = Context::from_waker(&self.waker);
        let polled = self.stream.poll_send(&mut cx, &mut self.outbox, pool, sealed, clock);

        let after = self.outbox.waiting();
        let sent = before.bytes - after.bytes;
        self.watch.progressed |= sent > 0;
        self.traffic.sent_bytes += sent as u64;
        self.traffic.sent_frames += (before.packets - after.packets) as u64;
        self.block(polled.is_pending(), clock);
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    #[inline]
    fn block(&mut self, blocked: bool, clock: &TurnClock) {
        self.blocked = blocked;
        if blocked {
            self.waits.begin(WaitReason::SlowWrite, clock);
        } else {
            self.waits.end(WaitReason::SlowWrite, clock);
        }
    }

    /// Sends the acknowledgements of its session that are due by that time.
    pub(crate) fn send_acks(&mut self, by: Instant, sealed: &mut Vec<u8>, clock: &TurnClock) {
        let polled = self.stream.send_acks(by, &mut Context::from_waker(&self.waker), sealed);
        if polled.is_pending() {
            // The task is woken when the stream takes more, and then sends the rest.
            self.block(true, clock);
        }
    }

    /// Bounds the bytes that its session keeps to send them again. A link that closes has taken all that waits for it.
    pub(crate) fn set_most_unacked(&mut self, bytes: usize) {
        if self.state == State::Open {
            self.stream.set_most_unacked(bytes);
        }
    }

    /// Stops reading the link until there is room behind what it feeds.
    pub(crate) fn pause_for_backpressure(&mut self, clock: &TurnClock) {
        self.pause.set(ReadPause::BACKPRESSURE, true);
        self.waits.begin(WaitReason::PausedSource, clock);
    }

    /// Reads the link again, unless there is another reason not to.
    pub(crate) fn resume_after_backpressure(&mut self, clock: &TurnClock) {
        self.pause.set(ReadPause::BACKPRESSURE, false);
        self.waits.end(WaitReason::PausedSource, clock);
        self.wake();
    }

    /// Stops reading the link until its peer takes the answers to its own requests; or reads it again.
    pub(crate) fn pause_for_replies(&mut self, pause: bool, clock: &TurnClock) {
        if self.pause.contains(ReadPause::UNREAD_REPLIES) == pause {
            return;
        }
        self.pause.set(ReadPause::UNREAD_REPLIES, pause);
        self.waits.set(WaitReason::UnreadAnswers, pause, clock);
        self.stream.set_awaits_acks(pause);
        // Either way the link may be read otherwise than before: a session further ahead, for the acknowledgements.
        self.wake();
    }

    /// Has the time begin anew for which more may wait for a client than its bounds allow: its session has lost its
    /// stream or has another one.
    fn restart_grace(&mut self, clock: &TurnClock) {
        self.watch.over_since = None;
        self.waits.end(WaitReason::OutboxFull, clock);
    }

    /// What carries the link's bytes.
    pub(crate) fn transport(&self) -> TransportKind {
        self.stream.transport()
    }

    /// Whether the link outlives its stream.
    pub(crate) fn has_session(&self) -> bool {
        self.protocol() != Protocol::Plain
    }

    /// What these bytes are.
    pub(crate) fn protocol(&self) -> Protocol {
        self.stream.protocol()
    }

    /// Says something to a peer that is about to be closed for its first bytes.
    pub(crate) fn send_before_close(&mut self, bytes: &[u8]) {
        self.stream.send_before_close(bytes);
    }

    /// The round-trip time to the peer, if it is known.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.stream.round_trip()
    }

    /// The names by which its session can be resumed, if it has one.
    pub(crate) fn session_names(&self) -> Option<Names> {
        self.stream.names()
    }

    /// How much waits for the peer; bytes and answers of a session until the peer has acknowledged them.
    #[inline]
    pub(crate) fn waiting(&self) -> Waiting {
        let (mut waiting, unacked) = (self.outbox.waiting(), self.stream.unacked());
        waiting.bytes += unacked.bytes;
        waiting.answers += unacked.answers;
        waiting
    }

    /// Whether bytes are there that were read before the link was.
    #[inline]
    pub(crate) fn has_read_ahead(&self) -> bool {
        self.stream.has_read_ahead()
    }

    /// Memory that is held for the link, in bytes. A session that waits for a stream is bounded with others like it, so it
    /// counts for nothing here.
    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        let in_stream = self.stream.held_bytes();
        in_stream.map_or(0, |bytes| self.partial_bytes + self.outbox.held_bytes() + bytes)
    }

    /// For how long the oldest bytes have been held for the link, as far as the sweeps know.
    pub(crate) fn held_for(&self) -> Duration {
        self.held_for.as_deref().map_or(Duration::ZERO, |held_for| held_for.oldest())
    }

    /// Whether its session waits for a stream.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.stream.is_interrupted()
    }

    /// The session has no stream.
    fn interrupted(&mut self, clock: &TurnClock) {
        self.block(false, clock);
        self.waits.begin(WaitReason::NoTransport, clock);
        self.restart_grace(clock);
    }

    /// The session goes on with a peer at this address.
    fn resumed(&mut self, peer: SocketAddr, clock: &TurnClock) {
        self.peer = peer;
        self.permit.move_to(peer.ip());
        self.block(false, clock);
        self.waits.end(WaitReason::NoTransport, clock);
        self.restart_grace(clock);
        self.watch.heard = true;
        self.wake();
    }

    /// A resume of its session waits. If it is genuine, the session waits for it until then; says whether it is also known
    /// to be the newest.
    pub(crate) fn keep_for_resume(&mut self, resume: &Resume, until: Instant, rng: &mut impl CryptoRng) -> bool {
        self.stream.keep_for_resume(resume, until, rng)
    }

    /// Has its session go on by a new stream, once that is proven.
    ///
    /// # Errors
    /// It is refused.
    pub(crate) fn resume(
        &mut self,
        resume: &Resume,
        stream: (Stream, SocketAddr),
        handshake: HandshakeGuard,
        pool: &mut LocalPool,
        clock: &TurnClock,
        rng: &mut impl CryptoRng,
    ) -> Result<(), RefusedStream> {
        self.stream.resume(resume, stream, handshake, (&mut self.outbox, pool), clock.now(), rng)?;
        // The new stream is to be read.
        self.wake();
        Ok(())
    }

    /// The link closes once its peer has what waits for it; says whether there is something to send for that.
    pub(crate) fn close(&mut self, reason: &CloseReason, pool: &mut LocalPool) -> bool {
        self.stream.close(reason, &mut self.outbox, pool)
    }

    /// The link closes at once. Tells the peer so, if that can be done.
    pub(crate) fn abort(&mut self, reason: &CloseReason, sealed: &mut Vec<u8>, clock: &TurnClock) {
        self.stream.abort(reason, sealed, clock);
    }

    /// Whether it closes and needs the worker no more; ends its sending side when nothing waits for it.
    pub(crate) fn is_done(&self) -> bool {
        match self.state {
            State::Closing { peer_sends, .. } => self.stream.is_finished(&self.outbox, peer_sends),
            State::Open => false,
        }
    }

    /// Gives the buffers back and ends the link's task.
    pub(crate) fn dismantle(mut self, pool: &mut LocalPool) -> Remains {
        self.inbox.clear(pool);
        self.outbox.clear(pool);
        self.waker.wake();
        self.stream.into_remains()
    }
}
