//! A physical link: the byte stream to one peer, what was received of it in part, and what waits for it.

mod age;
mod inbox;
mod outbox;
mod pressure;
mod read_limit;
mod reason;
mod session;
mod transport;
mod waits;

use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use age::{Held, HeldFor};
use fastway_service::clock::Millis;
use fastway_service::wake::wake_after_look;
use fastway_session::{LinkKind, Session};
pub use inbox::{Inbox, Progress, Sizes};
pub use outbox::{Outbox, Waiting};
pub use pressure::{Bounds, Pressure, ReadPause};
pub(crate) use read_limit::ReadLimit;
pub use reason::{CloseKind, CloseReason};
pub use session::{HandshakeGuard, RefusedStream, SessionEvent, SessionTransport};
pub use transport::{Transport, TransportKind};
pub(crate) use waits::Waits;
pub use waits::{Wait, WaitReason, WaitReport};

use crate::accept::admission::Permit;
use crate::pool::LocalPool;
use crate::routing::{LinkAddr, Origin, Role, Side};

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
pub struct Link {
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
    transport: Transport,
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
    pub(crate) opened: Instant,
    permit: Permit,
}

/// Where a link is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
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

/// What the sweep looks at to find links that are idle, stuck or slow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// A byte was received since the last sweep.
    pub heard: bool,
    /// A byte was accepted by the transport since the last sweep.
    pub progressed: bool,
    /// The sweep that last found the link not idle.
    pub last_heard: Millis,
    /// The first sweep that found bytes waiting and none accepted.
    pub stuck_since: Option<Millis>,
    /// Since when more has waited for the link, a client's, than may.
    pub over_since: Option<Millis>,
    /// Bytes that may still be read in this sweep interval, if that is limited.
    pub allowance: u64,
}

/// What went over a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Whole frames received, commands among them.
    pub received_frames: u64,
    /// Frames sent, commands among them; one that was sent in part counts later.
    pub sent_frames: u64,
}

impl Watch {
    /// As much of `limit` as may be read in this sweep interval; `None`: nothing.
    pub(crate) fn within_allowance(&self, limit: usize) -> Option<usize> {
        let allowed = usize::try_from(self.allowance).map_or(limit, |allowance| limit.min(allowance));
        (allowed > 0).then_some(allowed)
    }
}

impl Link {
    /// A link that was just admitted.
    pub(crate) fn new(addr: LinkAddr, role: Role, peer: SocketAddr, transport: Transport, permit: Permit) -> Self {
        Self {
            addr,
            role,
            peer,
            transport,
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
            opened: Instant::now(),
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

    /// Reads into `scratch`; see [`Transport::poll_recv`].
    #[inline]
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
    ) -> Poll<Result<usize, CloseReason>> {
        self.transport.poll_recv(cx, scratch, limit)
    }

    /// Queues packets for the link.
    #[inline]
    pub(crate) fn append(&mut self, pool: &mut LocalPool, bytes: &[u8], packets: usize, origin: Origin) {
        self.outbox.append(pool, bytes, packets, origin);
    }

    /// Sends as much of the outbox as the transport takes; when that is not all, the task is woken for the rest.
    #[inline]
    pub(crate) fn flush(&mut self, pool: &mut LocalPool, sealed: &mut Vec<u8>) -> std::io::Result<()> {
        let before = self.outbox.waiting();
        let mut cx = Context::from_waker(&self.waker);
        let polled = self.transport.poll_send(&mut cx, &mut self.outbox, pool, sealed);
        let after = self.outbox.waiting();
        let sent = before.bytes - after.bytes;
        self.watch.progressed |= sent > 0;
        self.traffic.sent_bytes += sent as u64;
        self.traffic.sent_frames += (before.packets - after.packets) as u64;
        self.block(polled.is_pending());
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn block(&mut self, blocked: bool) {
        self.blocked = blocked;
        if blocked {
            self.waits.begin(WaitReason::SlowWrite);
        } else {
            self.waits.end(WaitReason::SlowWrite);
        }
    }

    /// Stops reading the link until there is room behind what it feeds.
    pub(crate) fn pause_for_backpressure(&mut self) {
        self.pause.set(ReadPause::BACKPRESSURE, true);
        self.waits.begin(WaitReason::PausedSource);
    }

    /// Reads the link again, unless there is another reason not to.
    pub(crate) fn resume_after_backpressure(&mut self) {
        self.pause.set(ReadPause::BACKPRESSURE, false);
        self.waits.end(WaitReason::PausedSource);
        self.wake();
    }

    /// Stops reading the link until its peer takes the answers to its own requests; or reads it again.
    pub(crate) fn pause_for_replies(&mut self, pause: bool) {
        if self.pause.contains(ReadPause::UNREAD_REPLIES) == pause {
            return;
        }
        self.pause.set(ReadPause::UNREAD_REPLIES, pause);
        self.waits.set(WaitReason::UnreadAnswers, pause);
        if let Transport::Session(session) = &mut self.transport {
            session.set_awaits_acks(pause);
        }
        // Either way the link may be read otherwise than before: a session further ahead, for the acknowledgements.
        self.wake();
    }

    /// Holds what waits for the link against its bounds, and pauses or reads the link accordingly. What follows for others
    /// is the caller's to do.
    #[inline]
    pub(crate) fn judge(&mut self, bounds: &Bounds, now: impl FnOnce() -> Millis) -> Pressure {
        let before = Pressure {
            unread_replies: self.pause.contains(ReadPause::UNREAD_REPLIES),
            congested: self.congested,
            over_since: self.watch.over_since,
            too_slow: false,
        };
        let pressure = before.judge(bounds, self.waiting(), self.is_interrupted(), now);
        self.pause_for_replies(pressure.unread_replies);
        if pressure.over_since != before.over_since {
            self.watch.over_since = pressure.over_since;
            self.waits.set(WaitReason::OutboxFull, pressure.over_since.is_some());
        }
        pressure
    }

    /// Has the time begin anew for which more may wait for a client than its bounds allow: its session has lost its
    /// transport or has another one.
    pub(crate) fn restart_grace(&mut self) {
        self.watch.over_since = None;
        self.waits.end(WaitReason::OutboxFull);
    }

    /// What carries the link's bytes.
    pub(crate) fn transport(&self) -> TransportKind {
        self.transport.kind()
    }

    /// What these bytes are.
    pub(crate) fn protocol(&self) -> LinkKind {
        self.transport.protocol()
    }

    /// Says something to a peer that is about to be closed for its first bytes.
    pub(crate) fn send_before_close(&self, bytes: &[u8]) {
        self.transport.send_before_close(bytes);
    }

    /// The round-trip time to the peer, if it is known.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.transport.round_trip()
    }

    /// Its session, if it has one.
    #[inline]
    pub(crate) fn session(&self) -> Option<&SessionTransport> {
        self.transport.session()
    }

    /// Its session with what it sends, if it has one, and how to wake the link's task.
    pub(crate) fn session_parts(&mut self) -> Option<(&mut SessionTransport, &mut Outbox, Context<'_>)> {
        match &mut self.transport {
            Transport::Tcp(_) => None,
            Transport::Session(session) => Some((session, &mut self.outbox, Context::from_waker(&self.waker))),
        }
    }

    /// How much waits for the peer; bytes and answers of a session until the peer has acknowledged them.
    #[inline]
    pub(crate) fn waiting(&self) -> Waiting {
        let mut waiting = self.outbox.waiting();
        if let Some(session) = self.session() {
            waiting.bytes += session.unacknowledged_bytes();
            waiting.answers += session.unacknowledged_answers();
        }
        waiting
    }

    /// Notes how much of a frame is there in part.
    #[inline]
    pub(crate) fn note_partial(&mut self) {
        self.partial_bytes = self.inbox.held_bytes();
    }

    /// Memory that is held for the link, in bytes. A session that waits for a stream is bounded with others like it, so it
    /// counts for nothing here.
    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        let session = match self.session() {
            None => 0,
            Some(session) if session.is_waiting() => return 0,
            Some(session) => session.held_bytes(),
        };
        self.partial_bytes + self.outbox.held_bytes() + session
    }

    /// Notes for how long the link has held what it holds; each sweep does, `elapsed` after the one before.
    pub(crate) fn look_at_held(&mut self, elapsed: Duration) {
        if self.is_interrupted() {
            return;
        }
        if self.accounted_bytes == 0 {
            self.held_for = None;
            return;
        }
        let unacked = self.session().map_or(0, SessionTransport::unacknowledged_bytes) as u64;
        let (is_partial, waiting_bytes) = (!self.inbox.is_empty(), self.outbox.waiting().bytes as u64);
        let is_explained = is_partial || waiting_bytes + unacked > 0;
        let held = Held {
            received_frames: self.traffic.received_frames,
            is_partial,
            queued_bytes: self.traffic.sent_bytes + waiting_bytes,
            taken_bytes: self.traffic.sent_bytes.saturating_sub(unacked),
            is_other: !is_explained || self.session().is_some_and(SessionTransport::has_read_ahead),
        };
        let held_for = self.held_for.get_or_insert_default();
        **held_for = held_for.look(held, elapsed);
    }

    /// For how long the oldest bytes have been held for the link, as far as the sweeps know.
    pub(crate) fn held_for(&self) -> Duration {
        self.held_for.as_deref().map_or(Duration::ZERO, |held_for| held_for.oldest())
    }

    /// Whether its session waits for a stream.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.session().is_some_and(SessionTransport::is_waiting)
    }

    /// The session has no transport.
    pub(crate) fn interrupted(&mut self) {
        self.block(false);
        self.waits.begin(WaitReason::NoTransport);
        self.restart_grace();
    }

    /// The session goes on with a peer at this address.
    pub(crate) fn resumed(&mut self, peer: SocketAddr) {
        self.peer = peer;
        self.permit.move_to(peer.ip());
        self.block(false);
        self.waits.end(WaitReason::NoTransport);
        self.restart_grace();
        self.watch.heard = true;
    }

    /// What the system found wrong with the transport, if anything.
    pub(crate) fn failure(&self) -> Option<std::io::Error> {
        self.transport.failure()
    }

    /// Whether a closing link needs the worker no more; ends its sending side when nothing waits for it.
    pub(crate) fn is_done(&self) -> bool {
        match self.state {
            State::Closing { .. } if self.session().is_some() => self.transport.finish(),
            State::Closing { peer_sends, .. } if self.outbox.is_empty() => self.transport.finish() || !peer_sends,
            _ => false,
        }
    }

    /// Gives the buffers back and ends the link's task.
    /// Its session is left if it ended in good order.
    pub(crate) fn dismantle(mut self, pool: &mut LocalPool) -> Option<Session> {
        self.inbox.clear(pool);
        self.outbox.clear(pool);
        self.waker.wake();
        match self.transport {
            Transport::Tcp(_) => None,
            Transport::Session(session) => session.into_ended(),
        }
    }
}
