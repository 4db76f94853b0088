//! Which workers answer.
//!
//! The ticker records when it asks a worker to sweep, and the worker clears the record when it does. A worker whose
//! record stays is stuck. A pause of the whole process does not count, since the ticker pauses with it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::mux::routing::WorkerId;

/// The oldest sweep of each worker that was asked for and not begun.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    started: Instant,
    /// Milliseconds from `started` on, and one more; 0: none.
    asked: Box<[AtomicU64]>,
}

impl Heartbeats {
    pub(super) fn new(workers: usize, started: Instant) -> Self {
        Self { started, asked: (0..workers).map(|_| AtomicU64::new(0)).collect() }
    }

    /// A worker is to be asked to sweep. False if it was asked before, and has not begun to: nobody need ask it again.
    #[must_use]
    pub(super) fn ask(&self, worker: WorkerId, now: Instant) -> bool {
        let Some(asked) = self.asked.get(worker.index()) else { return false };
        asked.compare_exchange(0, self.millis(now).saturating_add(1), Relaxed, Relaxed).is_ok()
    }

    /// A worker sweeps.
    pub(super) fn answered(&self, worker: WorkerId) {
        if let Some(asked) = self.asked.get(worker.index()) {
            asked.store(0, Relaxed);
        }
    }

    /// For how long a worker has not answered.
    pub(crate) fn silence(&self, worker: WorkerId, now: Instant) -> Duration {
        let asked = self.asked.get(worker.index()).map_or(0, |asked| asked.load(Relaxed));
        let since = asked.checked_sub(1).map(|asked| self.millis(now).saturating_sub(asked));
        Duration::from_millis(since.unwrap_or(0))
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silence_of_a_worker_begins_with_the_first_sweep_that_it_does_not_begin() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, two) = (WorkerId::new(0), WorkerId::new(1));
        let heartbeats = Heartbeats::new(2, start);
        assert_eq!(heartbeats.silence(one, at(100)), Duration::ZERO, "nothing was asked");
        for second in [0, 1, 2] {
            assert_eq!(heartbeats.ask(one, at(second)), second == 0);
            assert!(heartbeats.ask(two, at(second)));
            heartbeats.answered(two);
        }
        assert_eq!(heartbeats.silence(one, at(20)), Duration::from_secs(20));
        assert_eq!(heartbeats.silence(two, at(20)), Duration::ZERO);
        heartbeats.answered(one);
        assert!(heartbeats.ask(one, at(21)));
        assert_eq!(heartbeats.silence(one, at(23)), Duration::from_secs(2));
    }
}
