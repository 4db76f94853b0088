//! Two ends, the connections between them, and whoever sits on the wire: all in memory, moved by a script.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::{
    Backlog, Dial, End, Event, Fault, Identity, KeyPair, LegacyConfig, Limits, MAX_RECORD_BYTES, Reception,
    ReplayBuffer, Request, Session, Status, TransportId,
};

/// What each end may keep unacknowledged.
pub(super) const BOUND: usize = 48 << 10;
pub(super) const WAIT: Duration = Duration::from_secs(60);
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Longest that [`World::settle`] may take, in rounds of deliveries.
const ROUNDS: usize = 400;

pub(super) const LEGACY: LegacyConfig = LegacyConfig { encrypt: true, replay_bytes: 1 << 20 };

pub(super) fn limits(legacy: LegacyConfig) -> Limits {
    Limits { handshake_time: HANDSHAKE_TIME, wait: WAIT, legacy }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Initiator,
    Acceptor,
}

/// One end: a session, what it wrote, and what it read.
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) backlog: Backlog,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) peer_closed: bool,
    pub(super) events: Vec<Event>,
    side: Side,
}

/// Every byte of a stream is known beforehand.
fn byte_at(side: Side, at: u64) -> u8 {
    let salt: u64 = if side == Side::Initiator { 3 } else { 7 };
    let [.., mixed, _, _, _] = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt).to_le_bytes();
    mixed
}

impl Peer {
    fn new(session: Session, side: Side) -> Self {
        let backlog = Backlog::new(BOUND);
        Self { session, backlog, written: 0, read: 0, peer_closed: false, events: Vec::new(), side }
    }

    pub(super) fn write(&mut self, bytes: usize) {
        if self.session.is_closed() || self.session.end().is_some() {
            return;
        }
        let bytes: Vec<u8> = (self.written..self.written + bytes as u64).map(|at| byte_at(self.side, at)).collect();
        self.written += self.backlog.push(&bytes) as u64;
    }

    fn receive(&mut self, transport: TransportId, bytes: &[u8], now: Instant) -> Option<Fault> {
        let mut input = vec![0; self.session.unfinished(transport).len() + bytes.len()];
        self.session.read_into(transport, &mut input).copy_from_slice(bytes);
        let received = self.session.receive_read(transport, &mut input, bytes.len(), now, &mut self.backlog);
        let other = if self.side == Side::Initiator { Side::Acceptor } else { Side::Initiator };
        for byte in &input[..received.bytes] {
            assert_eq!(*byte, byte_at(other, self.read), "byte {} of what the {other:?} wrote", self.read);
            self.read += 1;
        }
        assert!(received.bytes == 0 || !self.peer_closed, "nothing follows a close");
        assert!(self.session.unfinished(transport).len() < MAX_RECORD_BYTES);
        self.collect_events();
        received.fault
    }

    pub(super) fn collect_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.peer_closed |= event == Event::PeerClosed;
            assert!(self.established() || !matches!(event, Event::Resumed { .. }), "established comes first");
            assert!(!self.events.iter().any(|before| matches!(before, Event::Ended(_))), "the end comes last");
            self.events.push(event);
        }
        assert!(self.backlog.len() <= BOUND && self.backlog.capacity() <= BOUND);
    }

    pub(super) fn established(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Established { .. }))
    }

    pub(super) fn is_live(&self) -> bool {
        let of_transports = |event: &&Event| {
            matches!(event, Event::Established { .. } | Event::Resumed { .. } | Event::Interrupted { .. })
        };
        let last = self.events.iter().rev().find(of_transports);
        matches!(last, Some(Event::Established { .. } | Event::Resumed { .. })) && self.session.end().is_none()
    }
}

/// A connection, from the one that dials to the acceptor.
pub(super) struct Conn {
    initiator: Option<TransportId>,
    acceptor: AtAcceptor,
    pub(super) to_acceptor: VecDeque<u8>,
    pub(super) to_initiator: VecDeque<u8>,
    /// Nothing is carried any more; the ends may not know yet.
    cut: bool,
}

enum AtAcceptor {
    Reception(Reception),
    /// Of the session with this index.
    Transport(usize, TransportId),
    Closed,
}

pub(super) struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) initiator: Peer,
    /// The acceptor's sessions; the initiator's is the established one.
    pub(super) sessions: Vec<Peer>,
    pub(super) conns: Vec<Conn>,
    /// First messages that crossed the wire, for whoever listens.
    pub(super) recorded: Vec<Vec<u8>>,
    pub(super) refusals: Vec<Status>,
    keys: KeyPair,
    limits: Limits,
    pub(super) rng: StdRng,
    is_legacy: bool,
    pub(super) aborted: bool,
    pub(super) tampered_refusals: usize,
}

impl World {
    pub(super) fn secure(pinned: bool) -> Self {
        let keys = KeyPair::from_private([9; 32]);
        let identity = if pinned { Identity::Pinned(keys.public()) } else { Identity::Anyone };
        let now = Instant::now();
        Self::new(Session::secure(identity, WAIT, now), keys, LEGACY, now, false)
    }

    pub(super) fn legacy(config: LegacyConfig) -> Self {
        let now = Instant::now();
        Self::new(Session::legacy(config, WAIT, now), KeyPair::from_private([9; 32]), config, now, true)
    }

    fn new(session: Session, keys: KeyPair, legacy: LegacyConfig, now: Instant, is_legacy: bool) -> Self {
        // Worlds draw the same numbers, so they make the same keys.
        super::ledger::forget();
        Self {
            now,
            start: now,
            initiator: Peer::new(session, Side::Initiator),
            sessions: Vec::new(),
            conns: Vec::new(),
            recorded: Vec::new(),
            refusals: Vec::new(),
            keys,
            limits: limits(legacy),
            rng: StdRng::seed_from_u64(1),
            is_legacy,
            aborted: false,
            tampered_refusals: 0,
        }
    }

    /// The acceptor's end of the initiator's session.
    pub(super) fn acceptor(&mut self) -> Option<&mut Peer> {
        let mut established = self.sessions.iter_mut().filter(|peer| peer.established());
        let found = established.next();
        assert!(established.next().is_none(), "one initiator makes one session");
        found
    }

    pub(super) fn peer(&mut self, side: Side) -> Option<&mut Peer> {
        match side {
            Side::Initiator => Some(&mut self.initiator),
            Side::Acceptor => self.acceptor(),
        }
    }

    /// The initiator dials; returns the connection's index.
    pub(super) fn connect(&mut self) -> Option<usize> {
        let dialed = self.initiator.session.connect(self.now, &mut self.rng);
        self.dialed(dialed)
    }

    /// The initiator dials once more, beside what waits for its answer.
    pub(super) fn connect_beside(&mut self) -> Option<usize> {
        let dialed = self.initiator.session.connect_beside(&mut self.rng);
        self.dialed(dialed)
    }

    fn dialed(&mut self, dialed: Result<Dial, Fault>) -> Option<usize> {
        self.initiator.collect_events();
        let Dial { transport, bytes } = dialed.ok()?;
        self.recorded.push(bytes.clone());
        Some(self.dial(Some(transport), bytes))
    }

    /// Somebody dials and sends `bytes`.
    pub(super) fn dial(&mut self, initiator: Option<TransportId>, bytes: Vec<u8>) -> usize {
        self.conns.push(Conn {
            initiator,
            acceptor: AtAcceptor::Reception(Reception::default()),
            to_acceptor: bytes.into(),
            to_initiator: VecDeque::new(),
            cut: false,
        });
        self.conns.len() - 1
    }

    /// Nothing is carried any more. With `noticed` both ends learn of it at once.
    pub(super) fn cut(&mut self, conn: usize, noticed: bool) {
        let Some(conn) = self.conns.get_mut(conn) else { return };
        conn.cut = true;
        conn.to_acceptor.clear();
        conn.to_initiator.clear();
        if noticed {
            let (initiator, acceptor) =
                (conn.initiator.take(), std::mem::replace(&mut conn.acceptor, AtAcceptor::Closed));
            if let Some(transport) = initiator {
                self.initiator.session.transport_lost(transport, self.now);
                self.initiator.collect_events();
            }
            if let AtAcceptor::Transport(session, transport) = acceptor {
                self.sessions[session].session.transport_lost(transport, self.now);
                self.sessions[session].collect_events();
            }
        }
    }

    /// Carries up to `bytes` bytes of a connection to one side.
    pub(super) fn deliver(&mut self, conn: usize, to: Side, bytes: usize) {
        let Some(carried) = self.conns.get_mut(conn) else { return };
        let queue = if to == Side::Acceptor { &mut carried.to_acceptor } else { &mut carried.to_initiator };
        let bytes: Vec<u8> = queue.drain(..bytes.min(queue.len())).collect();
        if bytes.is_empty() {
            return;
        }
        let usable = match to {
            Side::Initiator => self.deliver_to_initiator(conn, &bytes),
            Side::Acceptor => self.deliver_to_acceptor(conn, &bytes),
        };
        if !usable {
            self.close(conn, to);
        }
    }

    /// One side closes the connection; what it still has to say comes before that.
    fn close(&mut self, conn: usize, by: Side) {
        self.flush(usize::MAX);
        let closing = &mut self.conns[conn];
        let (rest, to) = match by {
            Side::Initiator => (std::mem::take(&mut closing.to_acceptor), Side::Acceptor),
            Side::Acceptor => (std::mem::take(&mut closing.to_initiator), Side::Initiator),
        };
        let rest = Vec::from(rest);
        let _ends_anyway = match to {
            Side::Initiator => self.deliver_to_initiator(conn, &rest),
            Side::Acceptor => self.deliver_to_acceptor(conn, &rest),
        };
        self.cut(conn, true);
    }

    fn deliver_to_initiator(&mut self, conn: usize, bytes: &[u8]) -> bool {
        let Some(transport) = self.conns[conn].initiator else { return true };
        self.initiator.receive(transport, bytes, self.now).is_none()
    }

    fn deliver_to_acceptor(&mut self, conn: usize, bytes: &[u8]) -> bool {
        match &mut self.conns[conn].acceptor {
            AtAcceptor::Closed => true,
            AtAcceptor::Transport(session, transport) => {
                let (session, transport) = (*session, *transport);
                self.sessions[session].receive(transport, bytes, self.now).is_none()
            }
            AtAcceptor::Reception(reception) => match reception.receive(bytes) {
                Err(_) => false,
                Ok(None) => true,
                Ok(Some(request)) => self.answer(conn, &request),
            },
        }
    }

    fn answer(&mut self, conn: usize, request: &Request) -> bool {
        let (session, answer) = match request {
            Request::Open(open) => match open.accept(Some(&self.keys), &self.limits, self.now, &mut self.rng) {
                Ok((session, dial)) => {
                    self.sessions.push(Peer::new(session, Side::Acceptor));
                    (self.sessions.len() - 1, Ok(dial))
                }
                Err(status) => (0, Err((status, open.refusal(status)))),
            },
            Request::Resume(resume) => {
                let found = self.sessions.iter().position(|peer| peer.session.names().contains(resume.name()));
                let session = found.unwrap_or_default();
                let peer = found.and_then(|found| self.sessions.get_mut(found));
                let answer = peer
                    .ok_or(Status::Unknown)
                    .and_then(|peer| peer.session.resume(resume, || Some(&peer.backlog), self.now, &mut self.rng));
                (session, answer.map_err(|status| (status, resume.refusal(status))))
            }
        };
        match answer {
            Ok(Dial { transport, bytes }) => {
                self.conns[conn].to_initiator.extend(bytes);
                self.conns[conn].acceptor = AtAcceptor::Transport(session, transport);
                self.sessions[session].collect_events();
            }
            Err((status, refusal)) => {
                self.refusals.push(status);
                self.conns[conn].to_initiator.extend(refusal);
                self.conns[conn].acceptor = AtAcceptor::Closed;
            }
        }
        true
    }

    /// Both ends put what they have to send on the wire, about `room` bytes of it.
    pub(super) fn flush(&mut self, room: usize) {
        let out = flushed(&mut self.initiator, self.now, room);
        let live = live_transport(&self.initiator);
        let carries = |conn: &&mut Conn| live.is_some() && conn.initiator == live;
        if let Some(conn) = self.conns.iter_mut().find(carries).filter(|conn| !conn.cut) {
            conn.to_acceptor.extend(out);
        }
        for (index, peer) in self.sessions.iter_mut().enumerate() {
            let out = flushed(peer, self.now, room);
            let Some(transport) = live_transport(peer) else { continue };
            let is_its =
                |at: &AtAcceptor| matches!(at, AtAcceptor::Transport(i, id) if (*i, *id) == (index, transport));
            if let Some(conn) = self.conns.iter_mut().find(|conn| is_its(&conn.acceptor)).filter(|conn| !conn.cut) {
                conn.to_initiator.extend(out);
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.initiator.session.tick(self.now);
        self.initiator.collect_events();
        for peer in &mut self.sessions {
            peer.session.tick(self.now);
            peer.collect_events();
        }
    }

    /// The network heals and both ends close: all that was written arrives, or each end says why not.
    pub(super) fn settle(&mut self) {
        for conn in 0..self.conns.len() {
            self.cut(conn, true);
        }
        for _ in 0..ROUNDS {
            if !self.initiator.is_live() && self.initiator.session.end().is_none() {
                if let Some(open) = self.conns.iter().rposition(|conn| !conn.cut) {
                    self.cut(open, true);
                }
                self.connect();
            }
            self.close_both();
            self.flush(usize::MAX);
            let last = self.conns.len().saturating_sub(1);
            self.deliver(last, Side::Acceptor, usize::MAX);
            self.deliver(last, Side::Initiator, usize::MAX);
            self.pass(Duration::from_millis(100));
            if self.initiator.session.end().is_some() && self.acceptor().is_none_or(|peer| peer.session.end().is_some())
            {
                return self.judge();
            }
        }
        // The acceptor may be the only one that still waits, for somebody who will not come again.
        assert!(self.initiator.session.end().is_some(), "the initiator hangs: {:?}", self.initiator.events);
        self.pass(WAIT + WAIT);
        self.judge();
    }

    /// A legacy session has no close that waits for the other end.
    fn close_both(&mut self) {
        let (legacy, written, read) = (self.is_legacy, self.initiator.written, self.initiator.read);
        let Some(acceptor) = self.acceptor() else { return };
        if !legacy || (acceptor.read, acceptor.written) == (written, read) {
            acceptor.session.close();
            self.initiator.session.close();
        }
    }

    fn judge(&mut self) {
        let elapsed = self.now - self.start;
        let (aborted, tampered) = (self.aborted, self.tampered_refusals);
        let initiator = self.initiator.session.end().expect("the initiator has an end");
        let (written, read) = (self.initiator.written, self.initiator.read);
        let other = self.acceptor().map(|peer| (peer.session.end(), peer.written, peer.read));
        let Some((acceptor, peer_written, peer_read)) = other else {
            // The acceptor forgets whom it has not heard of within the time for handshakes.
            let excused = elapsed >= HANDSHAKE_TIME || tampered >= 4 || aborted;
            assert!(excused, "it ended before it began: {initiator}");
            return;
        };
        let acceptor = acceptor.unwrap_or_else(|| panic!("the acceptor hangs; initiator: {initiator}"));
        if (initiator, acceptor) == (End::Closed, End::Closed) {
            assert_eq!((read, peer_read), (peer_written, written), "all of it arrived");
            return;
        }
        let excused = aborted || elapsed >= WAIT || tampered >= 4;
        assert!(excused, "lost without a cause: {initiator:?}, {acceptor:?}, {:?}", self.initiator.events);
    }
}

fn flushed(peer: &mut Peer, now: Instant, room: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let has_output = peer.session.has_output(now, &peer.backlog);
    peer.session.send(now, &mut peer.backlog, &mut out, room);
    assert!(has_output || out.is_empty(), "{} bytes come out of nothing", out.len());
    assert!(out.len() <= room.saturating_add(MAX_RECORD_BYTES), "{} bytes of {room}", out.len());
    peer.collect_events();
    out
}

fn live_transport(peer: &Peer) -> Option<TransportId> {
    peer.events.iter().rev().find_map(|event| match *event {
        Event::Established { transport } | Event::Resumed { transport, .. } => Some(transport),
        _ => None,
    })
}
