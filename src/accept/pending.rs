//! Handshakes in progress on the ports of one worker: the tasks that run them, and their bounds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_service::{AddressPrefix, HandshakeLimits, PendingHandshakes, Progress};
use fastway_session::MAX_CANDIDATES;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::server_handshake::DEADLINE;
use crate::config::{Config, SideConfig};
use crate::routing::Side;

/// Candidates of sessions take this part of the handshakes on a port at most, or as many as one session may have. Opens that
/// were answered may take half.
const CANDIDATES_PART: usize = 4;

/// The handshakes of one port, numbered as they begin.
#[derive(Debug)]
pub(crate) struct PendingOnPort {
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
    pub(crate) peer: SocketAddr,
    pub(crate) why: NoTurn,
}

/// A peer that has not proved yet who it is.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeInfo {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Time since it was accepted.
    pub age: Duration,
}

impl PendingOnPort {
    /// None is in progress. Each of `workers` has an equal part of what the limits allow on the port.
    pub(crate) fn new(config: &Config, side: Side, workers: usize) -> Self {
        let share = |limit: usize| limit.div_ceil(workers);
        let at_once = share(config.settings.limits.max_handshakes);
        let time = handshake_time(config.settings.side(side));
        let limits = HandshakeLimits {
            at_once,
            per_address: share(config.settings.sessions.max_handshakes_per_address),
            candidates: at_once.div_ceil(CANDIDATES_PART).max(MAX_CANDIDATES),
            time,
        };
        Self { limits: PendingHandshakes::new(limits), time, tasks: FxHashMap::default(), begun: 0 }
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
    ) -> Option<EndedEarly> {
        let began = Instant::now();
        let dropped = self.limits.begin(number, AddressPrefix::from(peer.ip()), began);

        self.tasks.insert(number, PendingHandshake { task, peer, began, no_turn });
        dropped.and_then(|dropped| self.end_early(dropped, NoTurn::Dropped))
    }

    /// A handshake waits for its turn. If it has to end before that, it is told, and answers for itself: its peer shall
    /// know when to come again.
    pub(crate) fn wait(&mut self, number: u64) -> oneshot::Receiver<NoTurn> {
        self.advance(number, Progress::Waiting);
        let (tell, told) = oneshot::channel();
        if let Some(handshake) = self.tasks.get_mut(&number) {
            handshake.no_turn = tell;
        }
        told
    }

    /// A handshake has come so far.
    pub(crate) fn advance(&mut self, number: u64, progress: Progress) {
        self.limits.advance(number, progress, Instant::now());
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
    pub(crate) fn end_late(&mut self) -> Option<EndedEarly> {
        let now = Instant::now();
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
        Some(EndedEarly { peer, why })
    }
}

/// For how long a handshake on a port may take.
fn handshake_time(side: &SideConfig) -> Duration {
    match side.kinds.with_sessions() {
        true => side.session.handshake_limit(),
        false => DEADLINE,
    }
}
