//! A session under a link: one byte stream over one transport after another (`docs/protocol.md` §2 and §3).
//!
//! ```text
//!              resume ──▶ candidate ──its proof──▶ live ──lost──▶ none: the link waits
//!                            └── lost, late, another one is proven, or one too many ──▶ dropped
//! ```
//!
//! A secure session has at most one candidate: a newer resume replaces it. An attacker can record the resume of a legacy session
//! and repeat it, so a legacy session has several candidates, up to a bound ([`candidates`]). All but the first of them count
//! as handshakes in progress, which bounds the candidates of all sessions together.

mod candidates;
mod carrier;
mod unacked;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fastway_service::AddressPrefix;
use fastway_session::{
    AbortReason, Dial, End, Event, Fault, MIN_READ_BYTES, Names, Protocol, ReplayBuffer, Resume, Session, Status,
    TransportId,
};
use fastway_transport::Stream;

use self::carrier::Carrier;
pub use self::carrier::HandshakeGuard;
use self::unacked::Unacked;
use super::Outbox;
use crate::pool::LocalPool;
use crate::routing::Side;

/// Bytes that are sealed before the socket is asked to take them.
const SEALED_AT_ONCE: usize = 64 << 10;
/// Bytes that are read ahead of a link that is not read: what they acknowledge must not wait.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// The same of a client while too many answers wait for acknowledgements: these stand behind what the peer had sent before
/// it had the answers. More than most clients have on their way, and far less than a stranger may be given. A server has
/// proven who it is, and may be read ahead as far as may be kept for it.
const READ_AHEAD_FOR_ACKS_BYTES: usize = 5 * READ_AHEAD_BYTES;
/// Bytes that are read ahead beyond all others for the sake of candidates: each that proves itself while the link is not
/// read adds a record or two.
const PROBE_BYTES: usize = 8 * READ_AHEAD_BYTES;
/// Longest that an acknowledgement waits: what is due later is not one.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// A session and the streams that carry it.
#[derive(Debug)]
pub struct SessionTransport {
    session: Session,
    protocol: Protocol,
    /// What the peer has not acknowledged.
    unacked: Unacked,
    /// Unacknowledged bytes beyond which nothing more is taken from the outbox.
    most_unacked: usize,
    /// Bytes that are read ahead at most while answers wait for acknowledgements.
    most_read_ahead_for_acks: usize,
    live: Option<Carrier>,
    /// Replied to, and not proven yet; the oldest first.
    candidates: Vec<Carrier>,
    /// Bytes of the stream that were read before there was a link, or while it was not read.
    read_buffer: VecDeque<u8>,
    events: VecDeque<SessionEvent>,
    established: bool,
    /// The peer sends nothing behind `read_buffer`.
    peer_closed: bool,
    /// The session is aborted with this once everything is sent.
    pending_abort: Option<AbortReason>,
    /// Whether the link is not read until the peer has acknowledged answers to its own requests.
    awaits_acks: bool,
    /// Whether the peer has acknowledged something since this was asked last.
    acknowledged: bool,
    /// Whether the worker has a note that acknowledgements are due.
    pub(crate) ack_scheduled: bool,
}

/// What happened to a session, for its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// It goes on by a stream from this address.
    Resumed(SocketAddr),
    /// It has no stream.
    Interrupted,
    /// A stream was given up that had not been proven.
    GivenUp,
    /// The peer sends nothing more.
    PeerClosed,
    /// It is over.
    Ended(End),
}

/// A stream that could not carry a session, and what to say on it.
#[derive(Debug)]
pub struct RefusedStream {
    /// The stream.
    pub stream: Stream,
    /// Why.
    pub status: Status,
}

impl SessionTransport {
    /// A session whose opening was replied to by `dial`. Up to about `most_unacked` bytes are kept to be sent again.
    pub fn new(
        side: Side,
        session: Session,
        protocol: Protocol,
        dial: Dial,
        stream: Stream,
        peer: SocketAddr,
        most_unacked: usize,
    ) -> Self {
        let most_read_ahead_for_acks = match side {
            Side::Client => READ_AHEAD_FOR_ACKS_BYTES,
            Side::Server => most_unacked.max(READ_AHEAD_FOR_ACKS_BYTES),
        };
        Self {
            session,
            protocol,
            unacked: Unacked::default(),
            most_unacked,
            most_read_ahead_for_acks,
            live: None,
            candidates: vec![Carrier::new(dial, stream, peer, None)],
            read_buffer: VecDeque::new(),
            events: VecDeque::new(),
            established: false,
            peer_closed: false,
            pending_abort: None,
            awaits_acks: false,
            acknowledged: false,
            ack_scheduled: false,
        }
    }

    /// Which protocol it is.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The names by which it can be resumed now.
    pub fn names(&self) -> Names {
        self.session.names()
    }

    /// Whether its peer has not proven yet to be there.
    pub fn is_unproven(&self) -> bool {
        !self.established
    }

    /// Whether it has no stream.
    pub fn is_waiting(&self) -> bool {
        self.live.is_none()
    }

    /// Whether it has no stream, and none that could become one.
    pub fn is_abandoned(&self) -> bool {
        self.live.is_none() && self.candidates.is_empty()
    }

    /// Bytes that were sent, or are about to be, and are not acknowledged.
    pub fn unacknowledged_bytes(&self) -> usize {
        self.unacked.len()
    }

    /// The link is not read until the peer has acknowledged answers to its own requests, or is read again.
    pub fn set_awaits_acks(&mut self, awaits: bool) {
        self.awaits_acks = awaits;
    }

    /// Whether the peer has acknowledged something since the last call.
    pub fn take_acknowledged(&mut self) -> bool {
        std::mem::take(&mut self.acknowledged)
    }

    /// Answers to the peer's own requests among these.
    #[inline]
    pub fn unacknowledged_answers(&self) -> usize {
        self.unacked.answers()
    }

    /// Bytes that it keeps, to send them again or until the link is read.
    pub fn buffered_bytes(&self) -> usize {
        self.unacked.len() + self.session.replay_bytes() + self.read_buffer.len()
    }

    /// Memory that its buffers take, in bytes, but for the replay buffer that a legacy session has all the time.
    pub fn held_bytes(&self) -> usize {
        let sealed: usize = self.live.iter().chain(&self.candidates).map(Carrier::held_bytes).sum();
        self.unacked.held_bytes() + self.read_buffer.capacity() + sealed
    }

    /// Whether bytes are there that were read before the link was.
    pub fn has_read_ahead(&self) -> bool {
        !self.read_buffer.is_empty()
    }

    /// The stream that carries it.
    pub fn stream(&self) -> Option<&Stream> {
        self.live.as_ref().map(|live| &live.stream)
    }

    /// What happened, oldest first; that the peer has closed, only when all of it was read.
    pub fn next_event(&mut self) -> Option<SessionEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let closed = self.read_buffer.is_empty() && std::mem::take(&mut self.peer_closed);
        closed.then_some(SessionEvent::PeerClosed)
    }

    /// Reads what came, at most `limit` bytes of it, and leaves the stream's new bytes at the front of `scratch`. 0 is not
    /// the end: what came may have been for the session itself.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], limit: usize) -> Poll<usize> {
        if !self.read_buffer.is_empty() {
            let space = limit.min(scratch.len());
            return Poll::Ready(self.take_ahead(scratch.get_mut(..space).unwrap_or_default()));
        }
        self.poll_streams(cx, scratch, limit, true)
    }

    /// Reads for a link that is not to be read now, or that there is not yet, and keeps what came; pending as well when
    /// there is enough of it. A candidate can prove itself even then.
    pub fn poll_read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<()> {
        let buffered = self.read_buffer.len();
        if buffered >= self.most_read_ahead() && self.is_read_in_vain() {
            self.drop_stream();
            return Poll::Ready(());
        }
        let polled = if buffered < self.most_read_ahead() {
            self.poll_streams(cx, scratch, READ_AHEAD_BYTES, true)
        } else if buffered < self.most_unacked.saturating_add(PROBE_BYTES) {
            self.poll_streams(cx, scratch, MIN_READ_BYTES, false)
        } else {
            Poll::Pending
        };
        polled.map(|bytes| self.read_buffer.extend(scratch.get(..bytes).unwrap_or_default()))
    }

    /// Bytes that may be read ahead. A peer that has sent more than a little must not be closed as slow for
    /// acknowledgements that wait behind that.
    fn most_read_ahead(&self) -> usize {
        let least = if self.awaits_acks { self.most_read_ahead_for_acks } else { READ_AHEAD_BYTES };
        let is_pressed = self.unacked.len() > self.most_unacked / 2;
        if is_pressed { self.most_unacked.max(least) } else { least }
    }

    /// Whether the live stream is of no more use once as much is read ahead as may be: it takes nothing more, or the
    /// acknowledgements that the link waits for stand behind more than that. The first record of the next stream brings
    /// these.
    fn is_read_in_vain(&self) -> bool {
        let misses_acks = self.awaits_acks && self.protocol == Protocol::Secure;
        self.live.as_ref().is_some_and(|live| misses_acks || live.has_write_failed())
    }

    /// Reads the first stream that has something: a candidate, or the live one if that is to be read.
    fn poll_streams(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
        reads_live: bool,
    ) -> Poll<usize> {
        let now = Instant::now();
        let Self { session, unacked, candidates, live, .. } = self;
        let before = unacked.len();
        let mut streams = candidates.iter_mut().chain(live.as_mut().filter(|_| reads_live));
        let read = streams.find_map(|carrier| match read(session, unacked, carrier, cx, scratch, limit, now) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        });
        let Some(read) = read else { return Poll::Pending };
        self.acknowledged |= self.unacked.len() < before;
        Poll::Ready(self.account(read, now))
    }

    /// Takes bytes that were read ahead.
    pub fn take_ahead(&mut self, space: &mut [u8]) -> usize {
        let (front, _) = self.read_buffer.as_slices();
        let count = front.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), front.get(..count)) {
            to.copy_from_slice(from);
        }
        self.read_buffer.drain(..count);
        if self.read_buffer.is_empty() {
            self.read_buffer = VecDeque::new();
        }
        count
    }

    fn account(&mut self, read: Read, now: Instant) -> usize {
        match read.outcome {
            Outcome::Goes => {}
            Outcome::Lost => self.lost(read.id, now),
            Outcome::Faulty => {
                // It may have proven itself before.
                self.settle();
                self.drop_carrier(read.id);
            }
        }
        self.settle();
        read.bytes
    }

    fn lost(&mut self, id: TransportId, now: Instant) {
        self.session.transport_lost(id, now);
        self.drop_carrier(id);
        self.settle();
    }

    fn drop_carrier(&mut self, id: TransportId) {
        self.live.take_if(|live| live.id == id);
        if self.take_candidate(id).is_some() {
            self.events.push_back(SessionEvent::GivenUp);
        }
    }

    fn take_candidate(&mut self, id: TransportId) -> Option<Carrier> {
        let taken = self.candidates.extract_if(.., |candidate| candidate.id == id).next();
        if self.candidates.is_empty() {
            self.candidates = Vec::new();
        }
        taken
    }

    /// Gives the stream up that carries it: nothing comes by it any more.
    pub fn drop_stream(&mut self) {
        if let Some(id) = self.live.as_ref().map(|live| live.id) {
            self.lost(id, Instant::now());
        }
    }

    /// Carries out what the session says has happened.
    fn settle(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let happened = match event {
                Event::Established { transport } => {
                    self.established = true;
                    let _peer = self.promote(transport);
                    None
                }
                Event::Resumed { transport, .. } => self.promote(transport).map(SessionEvent::Resumed),
                Event::Interrupted { transport } => {
                    self.drop_carrier(transport);
                    // It may be all that is kept for a while.
                    self.unacked.shrink();
                    Some(SessionEvent::Interrupted)
                }
                Event::GivenUp { transport } => {
                    self.drop_carrier(transport);
                    None
                }
                Event::PeerClosed => {
                    self.peer_closed = true;
                    None
                }
                Event::Ended(end) => Some(SessionEvent::Ended(end)),
                Event::Refused(_) | Event::Confirmed { .. } => None,
            };
            self.events.extend(happened);
        }
    }

    /// A candidate takes the place of the live stream, which is closed by that.
    fn promote(&mut self, id: TransportId) -> Option<SocketAddr> {
        let proven = self.take_candidate(id)?.proven();
        let peer = proven.peer;
        self.live = Some(proven);
        Some(peer)
    }

    /// Seals and sends what waits, until the socket takes no more (pending: the task of `cx` is woken when it does), the
    /// bound of what is kept is reached, or nothing is left.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
        sealed: &mut Vec<u8>,
    ) -> Poll<()> {
        let now = Instant::now();
        while self.live.is_some() {
            match self.poll_flush(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => break,
                Poll::Pending => return Poll::Pending,
            }
            self.unacked.take(outbox, pool, SEALED_AT_ONCE, self.most_unacked);
            if !self.seal(now, sealed) && !self.send_pending_abort(outbox, sealed) {
                break;
            }
            if let Some(live) = &mut self.live {
                live.queue(cx, sealed);
            }
        }
        self.settle();
        if (READ_AHEAD_BYTES..self.most_read_ahead()).contains(&self.read_buffer.len()) {
            // More may be read ahead now.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    }

    /// Sends what is due by `now`, an acknowledgement for instance, as far as the socket takes it.
    pub fn send_due(&mut self, now: Instant, cx: &mut Context<'_>, sealed: &mut Vec<u8>) {
        if self.poll_flush(cx) == Poll::Ready(true)
            && self.seal(now, sealed)
            && let Some(live) = &mut self.live
        {
            live.queue(cx, sealed);
        }
        self.settle();
    }

    /// Ready: whether there is a stream that takes more, and has taken all that was sealed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.live.as_mut().map_or(Poll::Ready(false), |live| live.poll_flush(cx))
    }

    /// Whether there was something to seal.
    fn seal(&mut self, now: Instant, sealed: &mut Vec<u8>) -> bool {
        sealed.clear();
        self.session.send(now, &mut self.unacked, sealed, SEALED_AT_ONCE);
        !sealed.is_empty()
    }

    /// When everything is sent and the session is to be aborted then, does so.
    fn send_pending_abort(&mut self, outbox: &Outbox, sealed: &mut Vec<u8>) -> bool {
        let Some(reason) = self.pending_abort.take_if(|_| outbox.is_empty()) else { return false };
        self.session.abort(reason);
        self.seal(Instant::now(), sealed)
    }

    /// Adds bytes of the gateway's own to the stream, before there is an outbox.
    pub fn say(&mut self, bytes: &[u8]) {
        self.unacked.extend(bytes);
    }

    /// Whether sending would send something: the socket takes more, and there is more.
    pub fn wants_to_send(&self, outbox: &Outbox, now: Instant) -> bool {
        let takes = self.live.as_ref().is_some_and(Carrier::takes_more);
        let has_room = !outbox.is_empty() && self.unacked.len() < self.most_unacked;
        let goes_on = self.session.end().is_none();
        takes && (goes_on && (has_room || self.pending_abort.is_some()) || self.session.has_output(now, &self.unacked))
    }

    /// When the next acknowledgement is due, if one is owed.
    pub fn ack_due(&self, now: Instant) -> Option<Instant> {
        self.live.as_ref().and(self.session.timeout()).filter(|at| *at <= now + ACK_DELAY)
    }

    /// If a resume is genuine, the session waits for it until then. Says whether it is also known to be the newest.
    pub fn keep_for_resume(&mut self, resume: &Resume, until: Instant) -> bool {
        self.session.postpone_expiry(resume, until, &mut rand::rng())
    }

    /// Replies to a resume on a new stream. The older one goes on until the new one is proven. The guard of the
    /// handshake is kept if there are other candidates, and dropped otherwise.
    ///
    /// # Errors
    /// It has to be refused; the session is as before.
    pub fn resume(
        &mut self,
        resume: &Resume,
        (stream, peer): (Stream, SocketAddr),
        handshake: HandshakeGuard,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
    ) -> Result<(), RefusedStream> {
        let (unacked, most_unacked) = (&mut self.unacked, self.most_unacked);
        let (now, random) = (Instant::now(), &mut rand::rng());
        // Asked when the resume was found authentic: before that, nothing of the session moves for it.
        let dial = self.session.resume(
            resume,
            move || {
                unacked.take(outbox, pool, SEALED_AT_ONCE, most_unacked);
                Some(&*unacked)
            },
            now,
            random,
        );
        let dial = match dial {
            Ok(dial) => dial,
            Err(status) => return Err(RefusedStream { stream, status }),
        };
        self.settle();
        let handshake = Some(handshake).filter(|_| !self.candidates.is_empty());
        self.candidates.push(Carrier::new(dial, stream, peer, handshake));
        self.bound_candidates(now);
        Ok(())
    }

    /// Gives up a candidate if there is one too many.
    fn bound_candidates(&mut self, now: Instant) {
        let named = |candidate: &Carrier| (candidate.id, AddressPrefix::from(candidate.peer.ip()));
        let candidates: Vec<_> = self.candidates.iter().map(named).collect();
        if let Some(one_too_many) = candidates::first_to_yield(&candidates) {
            self.lost(one_too_many, now);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.session.tick(now);
        self.settle();
    }

    /// Ends this direction behind what waits; it is over when the peer has all.
    pub fn close(&mut self, outbox: &mut Outbox, pool: &mut LocalPool) {
        self.most_unacked = usize::MAX;
        self.unacked.take(outbox, pool, usize::MAX, usize::MAX);
        self.session.close();
    }

    /// Ends the session when all that waits is sent.
    pub fn abort_when_sent(&mut self, reason: AbortReason) {
        self.most_unacked = usize::MAX;
        self.pending_abort = Some(reason);
    }

    /// Ends the session at once; the peer is told if the socket takes it.
    pub fn abort(&mut self, reason: AbortReason, sealed: &mut Vec<u8>) {
        self.session.abort(reason);
        let cx = &mut Context::from_waker(Waker::noop());
        if let Some(live) = &mut self.live
            && live.poll_flush(cx) == Poll::Ready(true)
        {
            sealed.clear();
            self.session.send(Instant::now(), &mut self.unacked, sealed, SEALED_AT_ONCE);
            live.queue(cx, sealed);
        }
    }

    /// Whether the peer has all that it can be given: the session is over, and its stream is empty.
    pub fn is_finished(&self) -> bool {
        match &self.live {
            // A peer that comes back in time gets what waits for it, and is told why that was all.
            None => self.session.end().is_some(),
            Some(live) => self.session.end().is_some() && live.finish(),
        }
    }

    /// The session alone, for a peer that comes once more to learn of its end: that all has arrived, or why the gateway
    /// has aborted it. A legacy session has no words for that.
    pub fn into_ended(self) -> Option<Session> {
        let tells = match self.session.end()? {
            End::Closed => true,
            End::Aborted(_) => self.protocol == Protocol::Secure,
            _ => false,
        };
        tells.then_some(self.session)
    }

    /// Gives up memory that a burst has left.
    pub fn shrink_after_burst(&mut self) {
        self.unacked.shrink_after_burst();
    }

    /// Gives up memory that is not needed now.
    pub fn trim(&mut self) {
        if self.unacked.is_empty() {
            self.unacked.shrink();
        }
    }
}

/// Reads one stream of a session.
fn read(
    session: &mut Session,
    unacked: &mut Unacked,
    carrier: &mut Carrier,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
    limit: usize,
    now: Instant,
) -> Poll<Read> {
    let id = carrier.id;
    if carrier.is_cancelled(cx) {
        return Poll::Ready(Read { id, bytes: 0, outcome: Outcome::Lost });
    }
    // A peer that takes nothing more may have sent something before.
    let _taken_or_not = carrier.poll_flush(cx);
    let unfinished = session.unfinished(id);
    let start = unfinished.len();
    if let Some(front) = scratch.get_mut(..start) {
        front.copy_from_slice(unfinished);
    }
    let end = scratch.len().min(start + limit);
    let space = scratch.get_mut(start..end).unwrap_or_default();
    match carrier.poll_read(cx, space) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Read { id, bytes: 0, outcome: Outcome::Lost }),
        Poll::Ready(Ok(count)) => {
            let bytes = scratch.get_mut(..start + count).unwrap_or_default();
            let received = session.receive(id, bytes, now, unacked);
            let outcome = match received.fault {
                None | Some(Fault::Over(_)) => Outcome::Goes,
                Some(_) => Outcome::Faulty,
            };
            Poll::Ready(Read { id, bytes: received.bytes, outcome })
        }
    }
}

/// What reading a stream gave.
struct Read {
    id: TransportId,
    bytes: usize,
    outcome: Outcome,
}

enum Outcome {
    Goes,
    /// It ended or failed.
    Lost,
    /// The session wants no more of it.
    Faulty,
}
