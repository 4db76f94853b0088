//! Handshakes in progress on the ports of one worker: the tasks that run them, and their bounds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_admin::observe::HandshakeInfo;
use fastway_service::{HandshakeLimits, PendingHandshakes, PrefixLength, Progress};
use fastway_session::MAX_CANDIDATES;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::port_kinds::PortKinds;
use super::server_handshake::DEADLINE;
use crate::mux::config::{Settings, TrustedProxies};
use crate::mux::routing::Side;

/// Candidates of sessions take this part of the handshakes on a port at most, or as many as one session may have. Opens that
/// were answered may take half.
const CANDIDATES_PART: usize = 4;

/// The handshakes of one port, numbered as they begin.
#[derive(Debug)]
pub(crate) struct PendingOnPort {
    side: Side,
    kinds: PortKinds,
    /// Peers that stand for others until their PROXY headers have come.
    proxies: Option<TrustedProxies>,
    ipv6_prefix: PrefixLength,
    limits: PendingHandshakes<u64>,
    /// For how long one may take.
    time: Duration,
    tasks: FxHashMap<u64, PendingHandshake>,
    begun: u64,
}

/// One handshake.
#[derive(Debug)]
struct PendingHandshake {
    task: AbortHandle,
    peer: SocketAddr,
    began: Instant,
    /// Tells the task, while it listens, that it gets no turn.
    no_turn: oneshot::Sender<NoTurn>,
}

/// Why a handshake gets no turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoTurn {
    /// Another one took its place.
    Dropped,
    /// It has taken as long as a handshake may take.
    TooSlow {
        /// How long that is.
        within: Duration,
    },
    /// A newer resume of the same session has it.
    Replaced,
    /// Its peer has left.
    Left,
}

/// A handshake whose task was ended, so that it cannot answer for itself.
#[derive(Debug)]
pub(crate) struct EndedEarly {
    pub(crate) side: Side,
    pub(crate) peer: SocketAddr,
    pub(crate) why: NoTurn,
}

impl PendingOnPort {
    /// None is in progress. Each of `workers` has an equal part of what the limits allow on the port.
    pub(crate) fn new(settings: &Settings, side: Side, workers: usize) -> Self {
        let kinds = PortKinds::new(side, settings.side(side).kinds);
        Self {
            side,
            kinds,
            proxies: settings.proxies(side).cloned(),
            ipv6_prefix: settings.limits.ipv6_prefix,
            limits: PendingHandshakes::new(limits(settings, side, kinds, workers)),
            time: time(settings, side, kinds),
            tasks: FxHashMap::default(),
            begun: 0,
        }
    }

    /// Has new settings hold from now on, for handshakes in progress as well. Returns those that end since there are too
    /// many by now; but not those that are told, and answer for themselves.
    pub(crate) fn apply(&mut self, settings: &Settings, workers: usize) -> Vec<EndedEarly> {
        self.proxies = settings.proxies(self.side).cloned();
        self.ipv6_prefix = settings.limits.ipv6_prefix;
        self.kinds.apply(settings.side(self.side).kinds);
        self.limits.set_limits(limits(settings, self.side, self.kinds, workers));
        self.time = time(settings, self.side, self.kinds);
        let too_many: Vec<u64> = std::iter::from_fn(|| self.limits.one_too_many()).collect();
        too_many.into_iter().filter_map(|number| self.end_early(number, NoTurn::Dropped)).collect()
    }

    /// The number of the next handshake.
    pub(crate) const fn next(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// A handshake has begun. When there are too many, one is ended for it, which is returned; but not one that is told,
    /// and answers for itself.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        task: AbortHandle,
        no_turn: oneshot::Sender<NoTurn>,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<EndedEarly> {
        let prefix = self.ipv6_prefix.prefix_of(peer.ip());
        let stands_for_another = self.proxies.as_ref().is_some_and(|proxies| proxies.contains(peer.ip()));
        let dropped = if stands_for_another {
            self.limits.begin_for_another(number, prefix, now)
        } else {
            self.limits.begin(number, prefix, now)
        };

        self.tasks.insert(number, PendingHandshake { task, peer, began: now, no_turn });
        dropped.and_then(|dropped| self.end_early(dropped, NoTurn::Dropped))
    }

    /// The peer of a handshake has this address, by its PROXY header. Returns the one that has ended for it, if any; but not
    /// one that is told, and answers for itself.
    pub(crate) fn relocate(&mut self, number: u64, peer: SocketAddr) -> Option<EndedEarly> {
        self.tasks.get_mut(&number)?.peer = peer;
        let dropped = self.limits.relocate(number, self.ipv6_prefix.prefix_of(peer.ip()));
        dropped.and_then(|dropped| self.end_early(dropped, NoTurn::Dropped))
    }

    /// A handshake waits for its turn. If it has to end before that, it is told, and answers for itself: its peer shall
    /// know when to come again.
    pub(crate) fn wait(&mut self, number: u64, now: Instant) -> oneshot::Receiver<NoTurn> {
        self.advance(number, Progress::Waiting, now);
        let (tell, told) = oneshot::channel();
        if let Some(handshake) = self.tasks.get_mut(&number) {
            handshake.no_turn = tell;
        }
        told
    }

    /// A handshake has come so far.
    pub(crate) fn advance(&mut self, number: u64, progress: Progress, now: Instant) {
        self.limits.advance(number, progress, now);
    }

    /// The peer of a handshake was answered as a candidate. Returns the one that has ended for it, if any; see
    /// [`PendingHandshakes::answer_candidate`].
    pub(crate) fn answer_candidate(&mut self, number: u64) -> Option<EndedEarly> {
        let dropped = self.limits.answer_candidate(number)?;
        self.end_early(dropped, NoTurn::Dropped)
    }

    /// How many more peers may be answered; see [`PendingHandshakes::room_for_answers`].
    pub(crate) fn room_for_answers(&self, now: Instant) -> usize {
        self.limits.room_for_answers(now)
    }

    /// A handshake has come to its own end.
    pub(crate) fn end(&mut self, number: u64) {
        self.limits.end(number);
        self.tasks.remove(&number);
    }

    /// Ends the next handshake that has taken too long and is not told, and those before it that are.
    pub(crate) fn end_late(&mut self, now: Instant) -> Option<EndedEarly> {
        while let Some(late) = self.limits.late(now) {
            if let Some(ended) = self.end_early(late, NoTurn::TooSlow { within: self.time }) {
                return Some(ended);
            }
        }
        None
    }

    /// Ends all of them.
    pub(crate) fn end_all(&mut self) {
        for (number, handshake) in self.tasks.drain() {
            self.limits.end(number);
            handshake.task.abort();
        }
    }

    /// What the port admits.
    pub(crate) const fn kinds(&self) -> PortKinds {
        self.kinds
    }

    /// Handshakes in progress.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// What is to be seen of them.
    pub(crate) fn infos(&self, now: Instant) -> impl Iterator<Item = HandshakeInfo> {
        let tasks = self.tasks.values();
        tasks.map(move |task| HandshakeInfo { peer: task.peer, age: now.saturating_duration_since(task.began) })
    }

    /// Ends a handshake, and returns it unless it was told and answers for itself.
    fn end_early(&mut self, number: u64, why: NoTurn) -> Option<EndedEarly> {
        let PendingHandshake { task, peer, no_turn, .. } = self.tasks.remove(&number)?;
        if no_turn.send(why).is_ok() {
            return None;
        }

        task.abort();
        Some(EndedEarly { side: self.side, peer, why })
    }
}

/// What the limits allow one of `workers` on a port.
fn limits(settings: &Settings, side: Side, kinds: PortKinds, workers: usize) -> HandshakeLimits {
    let share = |limit: usize| limit.div_ceil(workers);
    let at_once = share(settings.limits.max_handshakes);
    HandshakeLimits {
        at_once,
        per_address: share(settings.sessions.max_handshakes_per_address),
        candidates: at_once.div_ceil(CANDIDATES_PART).max(MAX_CANDIDATES),
        time: time(settings, side, kinds),
    }
}

/// For how long a handshake may take on a port.
fn time(settings: &Settings, side: Side, kinds: PortKinds) -> Duration {
    if kinds.has_sessions() { settings.side(side).session.handshake_limit() } else { DEADLINE }
}
