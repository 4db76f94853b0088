//! A worker's part in the way in: the handshakes in progress on both ports, whose turn it is, and when those may come
//! again that get none.
//!
//! Time and random numbers are arguments. The tasks that run the handshakes stand above, in `worker::accept`.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastway_admin::observe::{AcceptorInfo, HandshakeInfo};
use fastway_service::clock::Millis;
use fastway_service::{PrefixLength, Progress};
use rand::Rng;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::acceptor::{Acceptor, PortId};
use super::pending::{EndedEarly, NoTurn, PendingOnPort};
use super::port_kinds::PortKinds;
use super::rates::Rates;
use super::retry_after::RetryTimes;
use super::turns::{Purpose, Turns};
use crate::mux::config::Settings;
use crate::mux::routing::{PerSide, Side};

/// The handshakes of one worker, and its acceptors.
#[derive(Debug)]
pub(crate) struct Acceptance {
    pending: PerSide<PendingOnPort>,
    turns: Turns,
    rates: Arc<Rates>,
    ipv6_prefix: PrefixLength,
    retry_times: RetryTimes,
    /// Wakes the task that gives turns: somebody new waits for one, or there may be room for more.
    turns_due: Rc<Notify>,
    /// Workers that share what the limits allow.
    workers: usize,
    acceptors: Vec<Acceptor>,
}

/// What a handshake that waits for its turn listens to.
#[derive(Debug)]
pub(crate) struct AwaitedTurn {
    /// Told when the turn has come. Fails when a newer resume has taken the place.
    pub(crate) given: oneshot::Receiver<()>,
    /// Told when there will be no turn.
    pub(crate) no_turn: oneshot::Receiver<NoTurn>,
}

impl Acceptance {
    /// The part of one of `workers`.
    pub(crate) fn new(settings: &Settings, rates: Arc<Rates>, workers: usize, now: Instant) -> Self {
        Self {
            pending: PerSide::new(|side| PendingOnPort::new(settings, side, workers)),
            turns: Turns::new(&rates, workers, now),
            rates,
            ipv6_prefix: settings.limits.ipv6_prefix,
            retry_times: RetryTimes::new(now),
            turns_due: Rc::default(),
            workers,
            acceptors: Vec::new(),
        }
    }

    /// Has new settings hold from now on; the rates have changed before. Returns the handshakes that end since there are
    /// too many by now.
    pub(crate) fn apply(&mut self, settings: &Settings) -> Vec<EndedEarly> {
        self.ipv6_prefix = settings.limits.ipv6_prefix;
        self.turns.set_rates(&self.rates, self.workers);
        self.turns_due.notify_one();
        Side::ALL.into_iter().flat_map(|side| self.pending[side].apply(settings, self.workers)).collect()
    }

    /// What a port admits.
    pub(crate) fn kinds(&self, side: Side) -> PortKinds {
        self.pending[side].kinds()
    }

    /// The number of the next handshake on a port.
    pub(crate) fn next_number(&mut self, side: Side) -> u64 {
        self.pending[side].next()
    }

    /// A handshake has begun. When there are too many, one is ended for it, which is returned; but not one that is told,
    /// and answers for itself.
    pub(crate) fn begin(
        &mut self,
        side: Side,
        number: u64,
        task: AbortHandle,
        no_turn: oneshot::Sender<NoTurn>,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<EndedEarly> {
        self.pending[side].begin(number, task, no_turn, peer, now)
    }

    /// The peer of a handshake has this address, by its PROXY header. Returns the one that has ended for it, if any.
    pub(crate) fn relocate(&mut self, side: Side, number: u64, peer: SocketAddr) -> Option<EndedEarly> {
        self.pending[side].relocate(number, peer)
    }

    /// A handshake has come so far.
    pub(crate) fn advance(&mut self, side: Side, number: u64, progress: Progress, now: Instant) {
        self.pending[side].advance(number, progress, now);
    }

    /// A handshake waits for its turn.
    pub(crate) fn wait(
        &mut self,
        side: Side,
        number: u64,
        peer: IpAddr,
        purpose: Purpose,
        now: Instant,
    ) -> AwaitedTurn {
        let no_turn = self.pending[side].wait(number, now);

        // Time in which nobody waited says nothing of the pace.
        if !self.turns.anybody_waits() {
            self.retry_times.restart(now);
        }

        let given = self.turns.wait(self.ipv6_prefix.prefix_of(peer), purpose, now);
        self.turns_due.notify_one();
        AwaitedTurn { given, no_turn }
    }

    /// A handshake has got its turn.
    pub(crate) fn turn_given(&mut self, now: Instant) {
        self.retry_times.turn_given(now);
    }

    /// Gives the turns of a round; false if none may be given, or nobody waits for one.
    pub(crate) fn give_turns(&mut self, now: Instant) -> bool {
        if !self.turns.anybody_waits() {
            return false;
        }
        let room = PerSide::new(|side| self.pending[side].room_for_answers(now));
        self.turns.give(now, room)
    }

    /// Whether a handshake waits for its turn.
    pub(crate) fn anybody_waits(&self) -> bool {
        self.turns.anybody_waits()
    }

    /// What wakes the task that calls [`Acceptance::give_turns`].
    pub(crate) fn turns_due(&self) -> Rc<Notify> {
        Rc::clone(&self.turns_due)
    }

    /// Time has passed: a bound that held turns up may allow some now.
    pub(crate) fn tick(&self) {
        self.turns_due.notify_one();
    }

    /// The answer to a handshake was computed in this time.
    pub(crate) fn computed(&mut self, time: Duration) {
        self.turns.computed(time);
    }

    /// A candidate of a session that has others was answered. If there are too many of them on the port, one ends.
    pub(crate) fn answer_candidate(&mut self, side: Side, number: u64) -> Option<EndedEarly> {
        self.pending[side].answer_candidate(number)
    }

    /// A handshake has come to its own end.
    pub(crate) fn end(&mut self, side: Side, number: u64) {
        self.pending[side].end(number);
        // There may be room for the turn of another one.
        self.turns_due.notify_one();
    }

    /// Ends the next handshake that has taken too long and is not told, and those before it that are.
    pub(crate) fn end_late(&mut self, now: Instant) -> Option<EndedEarly> {
        Side::ALL.into_iter().find_map(|side| self.pending[side].end_late(now))
    }

    /// The gateway stops. On a port with sessions handshakes go on, to be answered; on others there is nothing to say.
    pub(crate) fn stop(&mut self) {
        for side in Side::ALL {
            let port = &mut self.pending[side];
            if !port.kinds().has_sessions() {
                port.end_all();
            }
        }
        self.acceptors.clear();
    }

    /// When the peer of a handshake that gets no turn may come again: at most `longest` from now.
    pub(crate) fn retry_time(
        &mut self,
        side: Side,
        longest: Duration,
        now: Instant,
        random: &mut impl Rng,
    ) -> Duration {
        let waiting = self.pending[side].len();
        self.retry_times.next(waiting, longest, now, random)
    }

    /// Handshakes in progress on a port, if it is one with sessions, or one without.
    pub(crate) fn in_progress(&self, side: Side, with_sessions: bool) -> usize {
        let port = &self.pending[side];
        if port.kinds().has_sessions() == with_sessions { port.len() } else { 0 }
    }

    /// The handshakes in progress.
    pub(crate) fn handshakes(&self, now: Instant) -> impl Iterator<Item = HandshakeInfo> + '_ {
        self.pending.values().into_iter().flat_map(move |port| port.infos(now))
    }

    /// Notes whether the acceptor of a port accepts or pauses, and since when.
    pub(crate) fn accepts(&mut self, port: PortId, side: Side, pausing: bool, now: Millis) {
        match self.acceptors.iter_mut().find(|acceptor| acceptor.port == port) {
            Some(same) if same.pausing == pausing => {}
            Some(acceptor) => *acceptor = Acceptor { port, side, pausing, since: now },
            None => self.acceptors.push(Acceptor { port, side, pausing, since: now }),
        }
    }

    /// A port is no longer accepted from.
    pub(crate) fn closed(&mut self, port: PortId) {
        self.acceptors.retain(|acceptor| acceptor.port != port);
    }

    /// The acceptors.
    pub(crate) fn acceptors(&self, now: Millis) -> impl Iterator<Item = AcceptorInfo> + '_ {
        self.acceptors.iter().map(move |acceptor| acceptor.info(now))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::mux::config::LinkKinds;

    const SECOND: Duration = Duration::from_secs(1);

    /// One worker whose client port has sessions and whose server port has none. Its handshakes are tasks that never end.
    struct Worker {
        runtime: Runtime,
        acceptance: Acceptance,
        start: Instant,
    }

    impl Worker {
        fn new(max_handshakes: usize) -> Self {
            let mut settings = Settings::default();
            settings.client.kinds = LinkKinds::SESSIONS;
            for side in [&mut settings.client, &mut settings.server] {
                side.session.handshake_time = Some(5 * SECOND);
            }
            settings.limits.max_handshakes = max_handshakes;
            let start = Instant::now();
            let runtime = Builder::new_current_thread().build().unwrap();
            let rates = Rates::new(&settings, start);
            Self { runtime, acceptance: Acceptance::new(&settings, rates, 1, start), start }
        }

        fn at(&self, seconds: u32) -> Instant {
            self.start + SECOND * seconds
        }

        /// A handshake begins; whose peer has to go for it, and what it is told while it listens.
        fn begin(
            &mut self,
            side: Side,
            peer: u8,
            seconds: u32,
        ) -> (u64, Option<EndedEarly>, oneshot::Receiver<NoTurn>) {
            let now = self.at(seconds);
            let number = self.acceptance.next_number(side);
            let (tell, no_turn) = oneshot::channel();
            let task = self.runtime.spawn(pending::<()>()).abort_handle();
            let ended = self.acceptance.begin(side, number, task, tell, addr(peer), now);
            (number, ended, no_turn)
        }

        fn wait(&mut self, side: Side, number: u64, peer: u8, seconds: u32) -> AwaitedTurn {
            let now = self.at(seconds);
            self.acceptance.wait(side, number, addr(peer).ip(), Purpose::Open(side), now)
        }
    }

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 1))
    }

    #[test]
    fn a_handshake_that_waits_gets_its_turn_in_the_next_round() {
        let mut worker = Worker::new(8);
        assert!(!worker.acceptance.give_turns(worker.start), "nobody waits");
        let (number, ..) = worker.begin(Side::Client, 1, 0);
        let mut turn = worker.wait(Side::Client, number, 1, 0);
        assert_eq!(turn.given.try_recv(), Err(TryRecvError::Empty));
        assert!(worker.acceptance.give_turns(worker.start));
        assert_eq!(turn.given.try_recv(), Ok(()));
        assert!(!worker.acceptance.give_turns(worker.start), "nobody waits any more");
    }

    #[test]
    fn opens_get_no_turn_while_half_of_the_places_wait_for_a_proof() {
        let mut worker = Worker::new(4);
        for peer in [1, 2] {
            let (number, ..) = worker.begin(Side::Client, peer, 0);
            worker.acceptance.advance(Side::Client, number, Progress::Answered, worker.start);
        }
        let (number, ..) = worker.begin(Side::Client, 3, 0);
        let mut turn = worker.wait(Side::Client, number, 3, 0);
        assert!(!worker.acceptance.give_turns(worker.start));
        assert_eq!(turn.given.try_recv(), Err(TryRecvError::Empty));

        worker.acceptance.end(Side::Client, 1);
        assert!(worker.acceptance.give_turns(worker.start));
        assert_eq!(turn.given.try_recv(), Ok(()));
    }

    #[test]
    fn whoever_loses_its_place_is_told_while_it_listens_and_is_ended_otherwise() {
        for listens in [true, false] {
            let mut worker = Worker::new(1);
            let (_, _, first) = worker.begin(Side::Server, 1, 0);
            let mut told = listens.then_some(first);
            let (_, ended, _second) = worker.begin(Side::Server, 2, 1);
            match &mut told {
                Some(no_turn) => assert!(matches!(no_turn.try_recv(), Ok(NoTurn::Dropped)) && ended.is_none()),
                None => {
                    let ended = ended.unwrap();
                    assert_eq!((ended.side, ended.peer), (Side::Server, addr(1)));
                }
            }
            assert_eq!(worker.acceptance.in_progress(Side::Server, false), 1);
        }
    }

    #[test]
    fn late_handshakes_of_both_ports_end_and_no_others() {
        let mut worker = Worker::new(8);
        for (side, peer, began) in
            [(Side::Client, 1, 0), (Side::Server, 2, 0), (Side::Client, 3, 4), (Side::Server, 4, 4)]
        {
            drop(worker.begin(side, peer, began));
        }
        assert!(worker.acceptance.end_late(worker.at(4)).is_none());
        let now = worker.at(6);
        let ended: Vec<_> = std::iter::from_fn(|| worker.acceptance.end_late(now)).collect();
        let ended: Vec<_> = ended.iter().map(|ended| (ended.side, ended.peer)).collect();
        assert_eq!(ended, [(Side::Client, addr(1)), (Side::Server, addr(2))]);
        assert_eq!(worker.acceptance.handshakes(now).map(|info| info.age).collect::<Vec<_>>(), [2 * SECOND; 2]);
    }

    #[test]
    fn a_stop_ends_the_handshakes_of_ports_without_sessions_alone() {
        let mut worker = Worker::new(8);
        drop(worker.begin(Side::Client, 1, 0));
        drop(worker.begin(Side::Server, 2, 0));
        worker.acceptance.accepts(PortId(0), Side::Client, false, Millis::default());
        worker.acceptance.stop();
        let in_progress = |side, with_sessions| worker.acceptance.in_progress(side, with_sessions);
        assert_eq!((in_progress(Side::Client, true), in_progress(Side::Server, false)), (1, 0));
        assert_eq!(
            (in_progress(Side::Client, false), in_progress(Side::Server, true)),
            (0, 0),
            "the other kind of port"
        );
        assert_eq!(worker.acceptance.acceptors(Millis::default()).count(), 0);
    }

    #[test]
    fn the_time_after_which_one_may_come_again_grows_with_those_who_wait() {
        let mut worker = Worker::new(1000);
        let retry_time = |worker: &mut Worker, longest| {
            let now = worker.start;
            worker.acceptance.retry_time(Side::Client, longest, now, &mut SmallRng::seed_from_u64(1))
        };
        let alone = retry_time(&mut worker, Duration::MAX);
        for peer in 0..200 {
            drop(worker.begin(Side::Client, peer, 0));
        }
        let behind_many = retry_time(&mut worker, Duration::MAX);
        assert!(behind_many > 2 * alone, "{alone:?}, {behind_many:?}");
        assert!(retry_time(&mut worker, alone / 2) <= alone / 2, "never beyond the time of a session that waits");
    }

    #[test]
    fn an_acceptor_pauses_since_it_began_to() {
        let mut worker = Worker::new(1);
        let at = |seconds| Millis::default() + SECOND * seconds;
        for (seconds, pausing) in [(0, false), (3, true), (5, true)] {
            worker.acceptance.accepts(PortId(0), Side::Server, pausing, at(seconds));
        }
        let infos: Vec<_> = worker.acceptance.acceptors(at(10)).collect();
        let [AcceptorInfo { side: Side::Server, pausing: true, lasting }] = infos.as_slice() else {
            panic!("{infos:?}")
        };
        assert_eq!(*lasting, 7 * SECOND);
    }

    #[test]
    fn ports_of_one_side_are_noted_apart() {
        let mut worker = Worker::new(1);
        for port in [1, 2] {
            worker.acceptance.accepts(PortId(port), Side::Client, port == 2, Millis::default());
        }
        let pausing = |worker: &Worker| -> Vec<bool> {
            worker.acceptance.acceptors(Millis::default()).map(|acceptor| acceptor.pausing).collect()
        };
        assert_eq!(pausing(&worker), [false, true]);
        worker.acceptance.closed(PortId(1));
        assert_eq!(pausing(&worker), [true]);
    }
}
