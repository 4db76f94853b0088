//! A session under a link: one byte stream over one transport after another (`docs/protocol.md` §2 and §3).
//!
//! ```text
//!              resume ──▶ candidate ──its proof──▶ live ──lost──▶ none: the link waits
//!                            └── lost, late, another one is proven, or one too many ──▶ dropped
//! ```
//!
//! A secure session has at most one candidate: a newer resume replaces it. An attacker can record the resume of a legacy session
//! and repeat it, so a legacy session has several [`Candidates`], up to a bound. All but the first of them count as handshakes in
//! progress, which bounds the candidates of all sessions together.
//!
//! Nothing here reads a clock or makes a random number: both are arguments.

mod candidates;
mod carrier;
mod read_ahead;
mod receive;
mod send;
mod unacked;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_admin::observe::Waiting;
use fastway_session::{
    AbortReason, Dial, End, Event, Names, Protocol, ReplayBuffer, Resume, Session, Status, TransportId,
};
use fastway_transport::{Stream, TransportKind};
use rand::CryptoRng;

use self::candidates::Candidates;
use self::carrier::Carrier;
pub(crate) use self::carrier::HandshakeGuard;
use self::read_ahead::ReadAhead;
use self::unacked::Unacked;
use super::Outbox;
use crate::mux::pool::LocalPool;
use crate::mux::routing::Side;

/// Bytes that are sealed before the stream is asked to take them.
const SEALED_AT_ONCE: usize = 64 << 10;
/// Longest that an acknowledgement waits: what is due later is not one.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// A session and the streams that carry it.
#[derive(Debug)]
pub(crate) struct LinkSession {
    session: Session,
    protocol: Protocol,
    /// What has carried it last.
    transport: TransportKind,
    /// What the peer has not acknowledged.
    unacked: Unacked,
    /// Unacknowledged bytes beyond which nothing more is taken from the outbox.
    most_unacked: usize,
    live: Option<Carrier>,
    /// Replied to, and not proven yet.
    candidates: Candidates,
    read_ahead: ReadAhead,
    events: VecDeque<SessionEvent>,
    established: bool,
    /// The peer sends nothing behind what was read ahead.
    peer_closed: bool,
    /// The session is aborted with this once everything is sent.
    pending_abort: Option<AbortReason>,
    /// Whether the link is not read until the peer has acknowledged answers to its own requests.
    awaits_acks: bool,
    /// Whether the peer has acknowledged something since this was asked last.
    acknowledged: bool,
    /// Whether the worker has a note that acknowledgements are due.
    ack_scheduled: bool,
    /// Bytes that are kept while the session waits, as the worker knows them.
    reported_waiting_bytes: Option<usize>,
}

/// What happened to a session, for its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
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
pub(crate) struct RefusedStream {
    /// The stream.
    pub stream: Stream,
    /// Why.
    pub status: Status,
}

impl LinkSession {
    /// A session whose opening was replied to by `dial`. Up to about `most_unacked` bytes are kept to be sent again.
    pub(crate) fn new(
        side: Side,
        session: Session,
        protocol: Protocol,
        dial: Dial,
        (stream, peer): (Stream, SocketAddr),
        most_unacked: usize,
    ) -> Self {
        Self {
            session,
            protocol,
            transport: stream.kind(),
            unacked: Unacked::default(),
            most_unacked,
            live: None,
            candidates: Candidates::new(Carrier::new(dial, stream, peer, None)),
            read_ahead: ReadAhead::new(side, most_unacked),
            events: VecDeque::new(),
            established: false,
            peer_closed: false,
            pending_abort: None,
            awaits_acks: false,
            acknowledged: false,
            ack_scheduled: false,
            reported_waiting_bytes: None,
        }
    }

    /// Which protocol it is.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What has carried it last.
    pub(crate) fn transport(&self) -> TransportKind {
        self.transport
    }

    /// The names by which it can be resumed now.
    pub(crate) fn names(&self) -> Names {
        self.session.names()
    }

    /// Whether its peer has not proven yet to be there.
    pub(crate) fn is_unproven(&self) -> bool {
        !self.established
    }

    /// Whether it has no stream.
    pub(crate) fn is_waiting(&self) -> bool {
        self.live.is_none()
    }

    /// Whether it has no stream, and none that could become one.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.live.is_none() && self.candidates.is_empty()
    }

    /// The stream that carries it.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.live.as_ref().map(|live| &live.stream)
    }

    /// What was sent, or is about to be, and is not acknowledged.
    #[inline]
    pub(crate) fn unacked(&self) -> Waiting {
        Waiting { bytes: self.unacked.len(), packets: 0, answers: self.unacked.answers() }
    }

    /// Memory that its buffers take, in bytes, but for the replay buffer that a legacy session has all the time. It adds up
    /// several buffers, so plain links are kept apart from it.
    #[inline(never)]
    pub(crate) fn held_bytes(&self) -> usize {
        let sealed = self.live.as_ref().map_or(0, Carrier::held_bytes) + self.candidates.held_bytes();
        self.unacked.held_bytes() + self.read_ahead.held_bytes() + sealed
    }

    /// The link is not read until the peer has acknowledged answers to its own requests, or is read again.
    pub(crate) fn set_awaits_acks(&mut self, awaits: bool) {
        self.awaits_acks = awaits;
    }

    /// What happened, oldest first; that the peer has closed, only when all of it was read.
    pub(crate) fn next_event(&mut self) -> Option<SessionEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let closed = self.read_ahead.is_empty() && std::mem::take(&mut self.peer_closed);
        closed.then_some(SessionEvent::PeerClosed)
    }

    /// Whether the peer has acknowledged something since the last call.
    pub(crate) fn take_acknowledged(&mut self) -> bool {
        std::mem::take(&mut self.acknowledged)
    }

    /// When the next acknowledgement is due, if one is owed and the worker has no note of it. It has one from now on, until
    /// [`LinkSession::send_acks`].
    pub(crate) fn schedule_ack(&mut self, now: Instant) -> Option<Instant> {
        if self.ack_scheduled {
            return None;
        }
        let due = self.live.as_ref().and(self.session.timeout()).filter(|at| *at <= now + ACK_DELAY);
        self.ack_scheduled = due.is_some();
        due
    }

    /// Bytes that are kept while it waits for a stream, with those that its link keeps; `None`: it does not wait, or the
    /// worker knows.
    pub(crate) fn take_waiting_bytes(&mut self, of_link: usize) -> Option<usize> {
        let kept = || self.unacked.len() + self.session.replay_bytes() + self.read_ahead.len() + of_link;
        let waiting_bytes = self.is_waiting().then(kept);
        let before = std::mem::replace(&mut self.reported_waiting_bytes, waiting_bytes);
        waiting_bytes.filter(|_| waiting_bytes != before)
    }

    /// If a resume is genuine, the session waits for it until then. Says whether it is also known to be the newest.
    pub(crate) fn keep_for_resume(&mut self, resume: &Resume, until: Instant, rng: &mut impl CryptoRng) -> bool {
        self.session.postpone_expiry(resume, until, rng)
    }

    /// Replies to a resume on a new stream. The older one goes on until the new one is proven. The guard of the
    /// handshake is kept if there are other candidates, and dropped otherwise.
    ///
    /// # Errors
    /// It has to be refused; the session is as before.
    pub(crate) fn resume(
        &mut self,
        resume: &Resume,
        (stream, peer): (Stream, SocketAddr),
        handshake: HandshakeGuard,
        (outbox, pool): (&mut Outbox, &mut LocalPool),
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(), RefusedStream> {
        let (unacked, most_unacked) = (&mut self.unacked, self.most_unacked);
        // Asked when the resume was found authentic: before that, nothing of the session moves for it.
        let dial = self.session.resume(
            resume,
            move || {
                unacked.take(outbox, pool, SEALED_AT_ONCE, most_unacked);
                Some(&*unacked)
            },
            now,
            rng,
        );
        let dial = match dial {
            Ok(dial) => dial,
            Err(status) => return Err(RefusedStream { stream, status }),
        };

        self.settle();
        let handshake = Some(handshake).filter(|_| !self.candidates.is_empty());
        if let Some(one_too_many) = self.candidates.push(Carrier::new(dial, stream, peer, handshake)) {
            self.lost(one_too_many, now);
        }
        Ok(())
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.session.tick(now);
        self.settle();
    }

    /// Gives the stream up that carries it: nothing comes by it any more.
    pub(crate) fn drop_stream(&mut self, now: Instant) {
        if let Some(id) = self.live.as_ref().map(|live| live.id) {
            self.lost(id, now);
        }
    }

    /// The session alone, for a peer that comes once more to learn of its end: that all has arrived, or why the gateway
    /// has aborted it. A legacy session has no words for that.
    pub(crate) fn into_ended(self) -> Option<Session> {
        let tells = match self.session.end()? {
            End::Closed => true,
            End::Aborted(_) => self.protocol == Protocol::Secure,
            _ => false,
        };
        tells.then_some(self.session)
    }

    /// Gives up memory that a burst has left, and what is not needed while nothing is sent.
    pub(crate) fn trim(&mut self, is_quiet: bool) {
        self.unacked.shrink_after_burst();
        if is_quiet && self.unacked.is_empty() {
            self.unacked.shrink();
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
        let proven = self.candidates.take(id)?.proven();
        let peer = proven.peer;
        self.transport = proven.stream.kind();
        self.live = Some(proven);
        self.reported_waiting_bytes = None;
        Some(peer)
    }

    fn lost(&mut self, id: TransportId, now: Instant) {
        self.session.transport_lost(id, now);
        self.drop_carrier(id);
        self.settle();
    }

    fn drop_carrier(&mut self, id: TransportId) {
        self.live.take_if(|live| live.id == id);
        if self.candidates.take(id).is_some() {
            self.events.push_back(SessionEvent::GivenUp);
        }
    }
}
