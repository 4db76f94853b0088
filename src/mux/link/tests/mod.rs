//! What happens to a link, and what follows from it: without sockets, and by a clock that is set.

mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Wake;

use fastway_session::{AbortReason, End};
use fastway_wire::ServerId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::oneshot;

use self::peer::Peer;
use super::events::{LinkEvents, PressureChange, SessionEvents};
use super::pressure::SlowBounds;
use super::sweep::Sweep;
use super::watch::ByteBudget;
use super::*;
use crate::mux::accept::admission::Admission;
use crate::mux::config::Limits;
use crate::mux::pool::{Pool, PoolConfig};
use crate::mux::routing::{LinkId, Slot, WorkerId};

const CLIENT: Bounds = Bounds { packets: 10, bytes: 1000, slow: Some(SlowBounds { grace: secs(5), hard_bytes: 5000 }) };
const SERVER: Bounds = Bounds { packets: 10, bytes: 1000, slow: None };
/// Bytes that a session keeps to send them again.
const MOST_UNACKED: usize = 2000;
const TIMEOUT: Duration = secs(10);
/// For how long a session waits without a stream.
const WAIT: Duration = secs(60);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1000))
}

/// A link, and what its worker has for it.
struct Bench {
    clock: TurnClock,
    pool: LocalPool,
    rng: StdRng,
    sealed: Vec<u8>,
    scratch: Vec<u8>,
    wakes: Arc<Wakes>,
    bounds: Bounds,
    link: Link,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Bench {
    fn new(role: Role, stream: LinkStream, clock: TurnClock, rng: StdRng) -> Self {
        let addr = LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(0), id: LinkId::new(1) };
        let permit = Admission::new(&Limits::default(), 1).reserve(None);
        let mut link = Link::new(addr, role, address(1), stream, permit, clock.millis());
        let wakes = Arc::new(Wakes::default());
        link.register(&Arc::clone(&wakes).into());
        Self {
            clock,
            pool: LocalPool::new(Pool::new(&PoolConfig::default())),
            rng,
            sealed: Vec::new(),
            scratch: vec![0; 256 << 10],
            wakes,
            bounds: if role == Role::Client { CLIENT } else { SERVER },
            link,
        }
    }

    /// A link without a session, and its peer's stream, which takes up to `room` bytes.
    fn plain(role: Role, room: usize) -> (Self, Stream) {
        let [ours, theirs] = Stream::pair_in_memory(room);
        let (clock, rng) = (TurnClock::new(Instant::now()), StdRng::seed_from_u64(1));
        clock.set(Duration::ZERO);
        (Self::new(role, LinkStream::Plain(ours), clock, rng), theirs)
    }

    /// The link of a client with a session, of which nothing is to be said yet.
    fn session() -> (Self, Peer) {
        Self::session_with_room(1 << 20)
    }

    /// The same, over a stream that takes up to `room` bytes.
    fn session_with_room(room: usize) -> (Self, Peer) {
        let (clock, mut rng) = (TurnClock::new(Instant::now()), StdRng::seed_from_u64(1));
        clock.set(Duration::ZERO);
        let (session, peer) = Peer::open((address(1), room), MOST_UNACKED, WAIT, clock.now(), &mut rng);
        let mut bench = Self::new(Role::Client, LinkStream::Session(Box::new(session)), clock, rng);
        bench.after_io();
        (bench, peer)
    }

    fn at(&self, seconds: u64) {
        self.clock.set(secs(seconds));
    }

    fn after_io(&mut self) -> LinkEvents {
        self.all_events().0
    }

    /// What happened to the session since the last question.
    fn session_events(&mut self) -> SessionEvents {
        self.all_events().1.unwrap_or_default()
    }

    fn all_events(&mut self) -> (LinkEvents, Option<SessionEvents>) {
        let session = self.link.session_events(&self.clock);
        (self.link.after_io(&self.bounds, session.as_ref(), &self.clock), session)
    }

    fn feed(&mut self, packets: usize, bytes: usize, origin: Origin) {
        self.link.append(&mut self.pool, &vec![7; bytes], packets, origin);
    }

    fn flush(&mut self) {
        self.link.flush(&mut self.pool, &mut self.sealed, &self.clock).unwrap();
    }

    /// Reads all that is there; what it was.
    fn recv(&mut self) -> Vec<u8> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut received = Vec::new();
        while let Poll::Ready(Ok(count)) = self.link.poll_recv(&mut cx, &mut self.scratch, 64 << 10, &self.clock) {
            received.extend_from_slice(&self.scratch[..count]);
        }
        received
    }

    /// Reads all that is there, though the link is not read.
    fn read_ahead(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.link.poll_read_ahead(&mut cx, &mut self.scratch, &self.clock).is_ready() {}
    }

    /// The peer resumes its session from another address. What it has to prove is on its way.
    fn resume(&mut self, peer: &mut Peer, from: SocketAddr) {
        let (resume, ours) = peer.resume(self.clock.now(), &mut self.rng);
        let (guard, _over) = oneshot::channel();
        let (pool, clock) = (&mut self.pool, &self.clock);
        self.link.resume(&resume, (ours, from), guard, pool, clock, &mut self.rng).unwrap();
        self.read_ahead();
        peer.pump(self.clock.now());
    }

    fn swept(&mut self, seconds: u64) -> Option<CloseKind> {
        self.at(seconds);
        let sweep = Sweep { now: self.clock.millis(), elapsed: secs(1), lost: Duration::ZERO, budget: None };
        self.link.swept(&sweep, Some(TIMEOUT), &self.clock).map(|reason| reason.kind())
    }

    fn is_held_up(&self, reason: WaitReason) -> bool {
        self.link.waits.report(self.clock.now())[reason].lasting.is_some()
    }

    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, Relaxed)
    }
}

fn server() -> Role {
    Role::Server(ServerId::new(1))
}

fn take(stream: &mut Stream, bytes: usize) {
    assert_eq!(stream.recv_now(&mut vec![0; bytes]).unwrap(), bytes);
}

#[test]
fn the_sources_of_a_server_are_told_once_that_it_is_congested_and_once_that_it_is_not() {
    let (mut bench, mut peer) = Bench::plain(server(), 400);
    for (fed, taken, expected, why) in [
        (1400, 0, None, "at its bound: 400 bytes are on their way"),
        (1, 0, Some(PressureChange::Congested), "above it"),
        (500, 400, None, "still above it"),
        (0, 400, None, "below it"),
        (0, 200, None, "above half of it"),
        (0, 1, Some(PressureChange::Uncongested), "at half of it"),
        (0, 400, None, "below half of it"),
    ] {
        if fed > 0 {
            bench.feed(1, fed, Origin::Others);
        }
        if taken > 0 {
            take(&mut peer, taken);
        }
        bench.flush();
        assert_eq!(bench.after_io(), LinkEvents { pressure: expected, ..LinkEvents::default() }, "{why}");
        assert_eq!(bench.is_held_up(WaitReason::OutboxFull), bench.link.congested, "{why}");
    }
}

#[test]
fn a_link_that_is_to_be_flushed_is_not_judged_before() {
    let (mut bench, _peer) = Bench::plain(server(), 1);
    bench.feed(100, 5000, Origin::Others);
    bench.link.dirty = true;
    assert_eq!(bench.after_io(), LinkEvents::default());
    bench.link.dirty = false;
    assert_eq!(bench.after_io().pressure, Some(PressureChange::Congested));
}

#[test]
fn a_link_without_a_session_that_keeps_up_needs_no_time() {
    for role in [Role::Client, server()] {
        let (mut bench, mut peer) = Bench::plain(role, 100);
        bench.clock.restart();
        assert_eq!(peer.send_now(b"hello").unwrap(), 5);
        assert_eq!(bench.recv(), b"hello");
        bench.after_io();
        bench.feed(1, 5, Origin::Others);
        bench.flush();
        bench.after_io();
        assert!(!bench.clock.was_read(), "{role:?}");
    }
}

#[test]
fn a_client_is_too_slow_after_the_grace_and_at_once_far_above_its_bound() {
    let (mut bench, mut peer) = Bench::plain(Role::Client, 1);
    bench.feed(11, 100, Origin::Others);
    for (seconds, expected) in [(0, None), (5, None), (6, Some(PressureChange::TooSlow))] {
        bench.at(seconds);
        bench.flush();
        assert_eq!(bench.after_io().pressure, expected, "after {seconds} s");
        assert!(bench.is_held_up(WaitReason::OutboxFull));
    }

    while !bench.link.outbox.is_empty() {
        take(&mut peer, 1);
        bench.flush();
    }
    assert_eq!(bench.after_io().pressure, None);
    assert!(!bench.is_held_up(WaitReason::OutboxFull));
    bench.feed(1, 5001, Origin::Others);
    assert_eq!(bench.after_io().pressure, Some(PressureChange::TooSlow));
}

#[test]
fn time_that_does_not_count_makes_no_client_slow() {
    let (mut bench, _peer) = Bench::plain(Role::Client, 1);
    let at = |seconds| Millis::default() + secs(seconds);
    bench.feed(11, 100, Origin::Others);
    bench.flush();
    assert_eq!(bench.after_io().pressure, None);

    // The process stood still, and the link's task runs before the sweep that notices it.
    bench.clock.count_until(at(1));
    bench.at(100);
    bench.flush();
    assert_eq!(bench.after_io().pressure, None);
    let sweep = Sweep { now: at(100), elapsed: secs(100), lost: secs(99), budget: None };
    bench.link.swept(&sweep, None, &bench.clock);
    for (seconds, expected) in [(100, None), (104, None), (105, Some(PressureChange::TooSlow))] {
        bench.clock.count_until(at(seconds));
        bench.at(seconds);
        assert_eq!(bench.after_io().pressure, expected, "1 s before, and the others since 100 s: {seconds} s");
    }
}

#[test]
fn a_link_is_not_read_while_too_many_answers_to_its_requests_wait() {
    let (mut bench, mut peer) = Bench::plain(Role::Client, 6);
    bench.feed(11, 11, Origin::Itself);
    bench.flush();
    bench.after_io();
    // A packet counts until the last byte of its chunk is sent, which holds all of them.
    assert!(!bench.link.is_read(true) && bench.is_held_up(WaitReason::UnreadAnswers));
    assert_eq!(bench.wakes(), 1);

    take(&mut peer, 6);
    bench.flush();
    bench.wakes();
    bench.after_io();
    assert!(bench.link.is_read(true) && !bench.is_held_up(WaitReason::UnreadAnswers));
    assert_eq!(bench.wakes(), 1, "it is read again");
}

#[test]
fn what_a_client_holds_is_accounted_for_and_what_a_server_holds_is_not() {
    for (role, counts) in [(Role::Client, true), (server(), false)] {
        let (mut bench, mut peer) = Bench::plain(role, 100);
        bench.feed(1, 100, Origin::Others);
        let held = bench.link.outbox.held_bytes().cast_signed();
        let changes = [held, 0, -held].map(|change| if counts { change } else { 0 });
        let now = bench.after_io().held_change;
        let later = bench.after_io().held_change;
        bench.flush();
        take(&mut peer, 100);
        assert_eq!([now, later, bench.after_io().held_change], changes, "{role:?}");
    }
}

#[test]
fn a_link_is_read_unless_it_is_paused_or_the_gateway_stops_and_to_its_end_while_it_closes() {
    let closing = |peer_sends| State::Closing { deadline: Millis::default(), peer_sends };
    for (state, is_paused, gateway_reads, plain, with_session) in [
        (State::Open, false, true, true, true),
        (State::Open, true, true, false, false),
        (State::Open, false, false, false, false),
        (closing(true), true, false, true, true),
        // A peer that acknowledges sends as long as it receives.
        (closing(false), true, false, false, true),
    ] {
        let benches = [(Bench::plain(Role::Client, 1).0, plain), (Bench::session().0, with_session)];
        for (mut bench, expected) in benches {
            bench.link.state = state;
            bench.link.pause.set(ReadPause::BACKPRESSURE, is_paused);
            assert_eq!(bench.link.is_read(gateway_reads), expected, "{state:?} {is_paused} {gateway_reads}");
        }
    }
}

#[test]
fn a_closing_link_is_done_when_its_peer_has_all() {
    let (mut bench, mut peer) = Bench::plain(server(), 60);
    bench.link.state = State::Closing { deadline: Millis::default() + secs(5), peer_sends: true };
    bench.feed(1, 100, Origin::Others);
    for (taken, expected, why) in
        [(0, false, "40 bytes wait"), (60, false, "they are on their way"), (40, true, "it has all")]
    {
        if taken > 0 {
            take(&mut peer, taken);
        }
        bench.flush();
        assert_eq!(bench.after_io().is_done, expected, "{why}");
    }
    bench.link.dirty = true;
    assert!(!bench.after_io().is_done, "it is looked at when it is flushed");
}

#[test]
fn a_link_whose_peer_has_ended_its_stream_is_done_when_nothing_waits() {
    let (mut bench, _peer) = Bench::plain(server(), 60);
    bench.link.state = State::Closing { deadline: Millis::default() + secs(5), peer_sends: false };
    bench.feed(1, 100, Origin::Others);
    bench.flush();
    assert!(!bench.after_io().is_done);
    bench.link.outbox.clear(&mut bench.pool);
    assert!(bench.after_io().is_done, "60 bytes are on their way, and nothing that comes can undo that");
}

#[test]
fn a_sweep_closes_links_that_are_silent_stalled_or_late_and_not_those_that_it_does_not_read() {
    use CloseKind::{Idle, Shutdown, Stalled};
    let closing = State::Closing { deadline: Millis::default() + secs(15), peer_sends: true };
    // Every five seconds: does the peer send, does it take, and what is the link to be closed for at last?
    for (sends, waiting, state, pause, expected) in [
        (false, 0, State::Open, None, [None, None, Some(Idle)]),
        (true, 0, State::Open, None, [None; 3]),
        (true, 100, State::Open, None, [None, None, Some(Stalled)]),
        (false, 0, State::Open, Some(ReadPause::BACKPRESSURE), [None; 3]),
        (false, 100, State::Open, Some(ReadPause::UNREAD_REPLIES), [None, None, Some(Stalled)]),
        (false, 0, State::Open, Some(ReadPause::UNREAD_REPLIES), [None, None, Some(Stalled)]),
        (false, 100, closing, None, [None, None, None]),
    ] {
        let (mut bench, _peer) = Bench::plain(server(), 1);
        bench.link.state = state;
        bench.link.watch.heard = true;
        if let Some(pause) = pause {
            bench.link.pause.set(pause, true);
        }
        if waiting > 0 {
            bench.feed(1, waiting, Origin::Others);
        }
        let closed = [0, 5, 10].map(|seconds| {
            bench.link.watch.heard |= sends;
            bench.swept(seconds)
        });
        assert_eq!(closed, expected, "{sends} {waiting} {state:?} {pause:?}");
        let late = bench.swept(15);
        assert_eq!(late == Some(Shutdown), state != State::Open, "{state:?}");
    }
}

#[test]
fn a_client_that_had_spent_its_budget_is_read_again_and_a_server_has_none() {
    for (role, allowance, wakes) in [(Role::Client, 100, 1), (server(), 0, 0)] {
        let (mut bench, _peer) = Bench::plain(role, 1);
        bench.link.waits.begin(WaitReason::ByteRate, &bench.clock);
        let budget = Some(ByteBudget { more: 100, most: 1000 });
        let sweep = Sweep { now: bench.clock.millis(), elapsed: secs(1), lost: Duration::ZERO, budget };
        assert!(bench.link.swept(&sweep, Some(TIMEOUT), &bench.clock).is_none());
        assert_eq!((bench.link.watch.allowance, bench.wakes()), (allowance, wakes), "{role:?}");
        assert_eq!(bench.is_held_up(WaitReason::ByteRate), role != Role::Client);
    }
}

#[test]
fn bytes_that_a_sweep_finds_again_have_been_held_since_the_one_before() {
    let (mut bench, _peer) = Bench::plain(Role::Client, 1);
    bench.feed(1, 100, Origin::Others);
    bench.after_io();
    for seconds in 0..4 {
        bench.link.watch.heard = true;
        assert_eq!(bench.swept(seconds), None);
    }
    assert_eq!(bench.link.held_for(), secs(3));

    let sweep = Sweep { now: bench.clock.millis(), elapsed: secs(9), lost: secs(7), budget: None };
    bench.link.swept(&sweep, None, &bench.clock);
    assert_eq!(bench.link.held_for(), secs(5), "the worker stood still for the rest");
    bench.link.outbox.clear(&mut bench.pool);
    bench.after_io();
    bench.swept(4);
    assert_eq!(bench.link.held_for(), Duration::ZERO);
}

#[test]
fn a_session_that_loses_its_stream_waits_and_is_not_too_slow_for_that() {
    let (mut bench, mut peer) = Bench::session();
    bench.feed(11, 100, Origin::Others);
    bench.after_io();
    bench.at(3);
    peer.leave();
    bench.recv();

    let session = bench.session_events();
    assert_eq!((session.interrupted, session.resumed, session.ended), (1, 0, None));
    assert_eq!(session.waiting_bytes, Some(100));
    assert!(bench.link.is_interrupted() && bench.is_held_up(WaitReason::NoTransport));
    assert_eq!((bench.link.held_bytes(), bench.link.accounted_bytes), (0, 0), "it is bounded with those that wait");
    assert_eq!(bench.link.watch.over_since, None, "packets cannot leave, and these are not many bytes");
    assert_eq!(bench.all_events(), (LinkEvents::default(), None), "it is said once");

    bench.at(50);
    bench.feed(1, 50, Origin::Others);
    bench.flush();
    assert_eq!(bench.session_events(), SessionEvents { waiting_bytes: Some(150), ..SessionEvents::default() });
}

#[test]
fn the_grace_of_a_slow_client_begins_anew_when_its_session_is_interrupted() {
    let (mut bench, mut peer) = Bench::session();
    bench.feed(1, 3500, Origin::Others);
    bench.flush();
    bench.after_io();
    assert_eq!(bench.link.watch.over_since, Some(Millis::default()));
    bench.at(3);
    peer.leave();
    bench.recv();
    assert_eq!(bench.session_events().interrupted, 1);
    assert_eq!(bench.link.watch.over_since, Some(Millis::default() + secs(3)));
}

#[test]
fn a_session_that_is_resumed_has_a_new_address_and_the_whole_grace_again() {
    let (mut bench, mut peer) = Bench::session();
    peer.leave();
    bench.recv();
    bench.feed(1, 3500, Origin::Others);
    bench.after_io();
    assert_eq!(bench.link.watch.over_since, Some(Millis::default()));
    bench.at(3);
    bench.wakes();
    bench.link.watch.heard = false;
    bench.resume(&mut peer, address(9));
    bench.recv();

    let session = bench.session_events();
    assert_eq!((session.resumed, session.interrupted, session.given_up), (1, 0, 0));
    assert_eq!((session.waiting_bytes, session.wants_flush), (None, true));
    assert_eq!(bench.link.peer, address(9));
    assert!(!bench.link.is_interrupted() && !bench.is_held_up(WaitReason::NoTransport));
    assert!(bench.link.watch.heard && bench.wakes() > 0);
    bench.flush();
    bench.after_io();
    assert_eq!(bench.link.watch.over_since, Some(Millis::default() + secs(3)), "more than its bound still waits");
}

#[test]
fn what_a_waiting_session_keeps_is_said_each_time_that_it_begins_to_wait() {
    let (mut bench, mut peer) = Bench::session();
    for _ in 0..2 {
        peer.leave();
        bench.recv();
        let session = bench.session_events();
        assert_eq!((session.interrupted, session.waiting_bytes), (1, Some(0)));
        bench.resume(&mut peer, address(9));
        bench.recv();
        assert_eq!(bench.session_events().resumed, 1);
    }

    peer.leave();
    bench.recv();
    bench.after_io();
    bench.resume(&mut peer, address(9));
    bench.recv();
    peer.leave();
    bench.recv();
    let session = bench.session_events();
    assert_eq!((session.resumed, session.interrupted, session.waiting_bytes), (1, 1, Some(0)), "at one stroke");
}

#[test]
fn a_stream_that_is_never_proven_changes_nothing_but_the_count_of_those() {
    let (mut bench, mut peer) = Bench::session();
    let (resume, ours) = peer.resume(bench.clock.now(), &mut bench.rng);
    let (guard, _over) = oneshot::channel();
    let (pool, clock) = (&mut bench.pool, &bench.clock);
    bench.link.resume(&resume, (ours, address(9)), guard, pool, clock, &mut bench.rng).unwrap();
    assert_eq!(bench.session_events(), SessionEvents::default(), "its deadline is no acknowledgement's");
    peer.leave_newest();
    bench.recv();
    assert_eq!(bench.session_events(), SessionEvents { given_up: 1, ..SessionEvents::default() });
    assert_eq!((bench.link.peer, bench.link.is_interrupted()), (address(1), false));
}

#[test]
fn a_peer_has_closed_when_all_that_it_sent_before_was_read() {
    let (mut bench, mut peer) = Bench::session();
    peer.send(b"bye", bench.clock.now());
    peer.close(bench.clock.now());
    bench.read_ahead();
    assert!(!bench.session_events().peer_closed);
    assert_eq!(bench.recv(), b"bye");
    assert!(bench.session_events().peer_closed);
    assert!(!bench.session_events().peer_closed);
}

#[test]
fn the_end_of_a_session_is_the_end_of_its_link() {
    let (mut bench, mut peer) = Bench::session();
    bench.feed(20, 5001, Origin::Others);
    peer.abort(AbortReason::Operator, bench.clock.now());
    bench.recv();
    let (events, session) = bench.all_events();
    let expected = SessionEvents { ended: Some(End::AbortedByPeer(AbortReason::Operator)), ..SessionEvents::default() };
    assert_eq!((session, events.pressure), (Some(expected), None), "what waits for it waits no more");
}

#[test]
fn a_session_that_expires_ends() {
    let (mut bench, mut peer) = Bench::session();
    peer.leave();
    bench.recv();
    bench.after_io();
    for (seconds, expected) in [(59, None), (60, Some(End::Expired))] {
        assert_eq!(bench.swept(seconds), None);
        assert_eq!(bench.session_events().ended, expected, "after {seconds} s");
    }
}

#[test]
fn a_session_whose_stream_is_silent_for_the_timeout_waits_for_another_one() {
    let (mut bench, _peer) = Bench::session();
    bench.link.watch.heard = true;
    for (seconds, interrupted) in [(0, 0), (9, 0), (10, 1), (30, 0)] {
        assert_eq!(bench.swept(seconds), None);
        assert_eq!(bench.session_events().interrupted, interrupted, "after {seconds} s");
    }
}

#[test]
fn an_acknowledgement_is_due_once_until_it_is_sent() {
    let (mut bench, mut peer) = Bench::session();
    for _ in 0..2 {
        peer.send(b"hello", bench.clock.now());
        assert_eq!(bench.recv(), b"hello");
        let due = bench.session_events().ack_due.unwrap();
        assert!(due > bench.clock.now() && due <= bench.clock.now() + Duration::from_millis(100), "{due:?}");
        assert_eq!(bench.session_events().ack_due, None, "the worker has a note of it");

        assert_eq!(peer.unacked(), 5);
        bench.link.send_acks(due, &mut bench.sealed, &bench.clock);
        peer.pump(bench.clock.now());
        assert_eq!(peer.unacked(), 0);
    }
}

#[test]
fn an_acknowledgement_that_the_stream_does_not_take_is_sent_when_it_takes_more() {
    let (mut bench, mut peer) = Bench::session_with_room(4096);
    bench.link.set_most_unacked(1 << 20);
    // Fills the stream to its last byte.
    bench.feed(1, 8000, Origin::Others);
    bench.flush();
    while bench.link.blocked {
        peer.discard(1);
        bench.flush();
    }
    bench.wakes();

    peer.send_unread(b"hello", bench.clock.now());
    assert_eq!(bench.recv(), b"hello");
    let due = bench.session_events().ack_due.unwrap();
    bench.link.send_acks(due, &mut bench.sealed, &bench.clock);
    assert_eq!(bench.session_events(), SessionEvents::default());
    assert!(bench.link.blocked && bench.is_held_up(WaitReason::SlowWrite));

    peer.discard(1);
    assert!(bench.wakes() > 0, "the stream takes a byte more");
    bench.flush();
    while peer.discard(1) {}
    bench.flush();
    assert!(!bench.link.blocked && peer.discard(1), "the rest of the acknowledgement");
}

#[test]
fn a_session_keeps_no_more_to_be_sent_again_than_a_bound_that_was_lowered() {
    let (mut bench, mut peer) = Bench::session();
    bench.feed(1, 3000, Origin::Others);
    bench.flush();
    let unacked = |bench: &Bench| bench.link.stream.unacked().bytes;
    assert_eq!((unacked(&bench), bench.link.waiting().bytes), (MOST_UNACKED, 3000));

    for (most, expected) in [(500, 500), (2000, 500)] {
        bench.link.set_most_unacked(most);
        peer.pump(bench.clock.now());
        peer.acknowledge(bench.clock.now());
        bench.recv();
        assert!(bench.session_events().wants_flush);
        bench.flush();
        assert_eq!(unacked(&bench), expected, "at most {most}");
    }
}

#[test]
fn what_the_peer_acknowledges_is_progress_though_nothing_is_sent() {
    let (mut bench, mut peer) = Bench::session();
    bench.feed(1, 100, Origin::Itself);
    bench.flush();
    assert_eq!((bench.link.waiting().bytes, bench.link.waiting().answers), (100, 1));
    bench.link.watch.progressed = false;
    bench.at(1);
    peer.pump(bench.clock.now());
    peer.acknowledge(bench.clock.now());
    bench.recv();
    bench.after_io();
    assert!(bench.link.watch.progressed);
    assert_eq!(bench.link.waiting(), Waiting::default());
}

#[test]
fn a_session_that_has_something_to_send_is_flushed_and_judged_then() {
    let (mut bench, _peer) = Bench::session();
    bench.feed(1, 5001, Origin::Others);
    bench.link.blocked = true;
    let (events, session) = bench.all_events();
    assert_eq!(session, Some(SessionEvents { wants_flush: true, ..SessionEvents::default() }));
    assert_eq!((events.pressure, bench.link.blocked), (None, false), "its stream takes more");
    bench.flush();
    let (events, session) = bench.all_events();
    assert_eq!((session, events.pressure), (None, Some(PressureChange::TooSlow)));
}
