//! When each worker wants to be woken: the runtimes of workers have no timers, so the ticker wakes them by mail.
//!
//! No wake-up is lost: a worker records its time before it unparks the ticker, and the ticker looks at the records again
//! whenever it was unparked, before it parks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::mux::routing::WorkerId;

/// The record of a worker that does not want to be woken.
const NEVER: u64 = u64::MAX;
const NANOS_PER_MILLI: u128 = 1_000_000;

/// The times at which workers want to be woken.
#[derive(Debug)]
pub(crate) struct Wakeups {
    started: Instant,
    /// By worker, in milliseconds from `started` on.
    times: Box<[AtomicU64]>,
    ticker: OnceLock<Thread>,
}

impl Wakeups {
    /// No worker wants to be woken.
    pub(super) fn new(workers: usize, started: Instant) -> Self {
        let times = (0..workers).map(|_| AtomicU64::new(NEVER)).collect();
        Self { started, times, ticker: OnceLock::new() }
    }

    /// The calling thread wakes the workers from now on.
    pub(super) fn served_here(&self) {
        let _there_is_one_ticker = self.ticker.set(std::thread::current());
    }

    /// Has a worker woken at `at`, unless it is woken before.
    pub(super) fn request(&self, worker: WorkerId, at: Instant) {
        let Some(time) = self.times.get(worker.index()) else { return };
        // Rounded up: a worker that is woken before its time finds nothing due and asks to be woken at once.
        let millis = millis(at.saturating_duration_since(self.started).as_nanos().div_ceil(NANOS_PER_MILLI));
        if time.fetch_min(millis, Relaxed) > millis {
            self.unpark();
        }
    }

    /// Has the ticker look at everything again.
    pub(super) fn unpark(&self) {
        if let Some(ticker) = self.ticker.get() {
            ticker.unpark();
        }
    }

    /// Whether it is time to wake a worker. It is woken once: it requests the next time when it has been.
    pub(super) fn take_due(&self, worker: WorkerId, now: Instant) -> bool {
        let Some(time) = self.times.get(worker.index()) else { return false };
        let is_due = time.load(Relaxed) <= self.millis(now);
        // It may have become earlier meanwhile, and then it is due as well.
        is_due && time.swap(NEVER, Relaxed) != NEVER
    }

    /// How long the ticker may sleep, at most `longest`.
    pub(super) fn until_next(&self, now: Instant, longest: Duration) -> Duration {
        let earliest = self.times.iter().map(|time| time.load(Relaxed)).min().filter(|time| *time != NEVER);
        let left = earliest.map(|time| Duration::from_millis(time.saturating_sub(self.millis(now))));
        left.map_or(longest, |left| left.min(longest))
    }

    /// Whole milliseconds that are past.
    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.started).as_millis())
    }
}

fn millis(millis: u128) -> u64 {
    u64::try_from(millis).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: WorkerId = WorkerId::new(0);
    const TWO: WorkerId = WorkerId::new(1);
    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_request_of_a_worker_counts_and_wakes_it_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let wakeups = Wakeups::new(2, start);
        assert_eq!(wakeups.until_next(start, LONGEST), LONGEST);

        [50, 30, 40].into_iter().for_each(|millis| wakeups.request(ONE, at(millis)));
        wakeups.request(TWO, at(70));
        assert_eq!(wakeups.until_next(at(10), LONGEST), Duration::from_millis(20));
        assert!(!wakeups.take_due(ONE, at(29)));
        assert_eq!([ONE, ONE, TWO].map(|worker| wakeups.take_due(worker, at(30))), [true, false, false]);

        assert_eq!(wakeups.until_next(at(80), LONGEST), Duration::ZERO, "the other one is overdue");
        assert!(wakeups.take_due(TWO, at(80)));
        wakeups.request(ONE, at(20));
        assert!(wakeups.take_due(ONE, at(80)), "a time that is past");
    }

    #[test]
    fn a_worker_is_never_woken_before_its_time() {
        let start = Instant::now();
        let wakeups = Wakeups::new(1, start);
        wakeups.request(ONE, start + Duration::from_micros(30_900));
        assert!(!wakeups.take_due(ONE, start + Duration::from_micros(30_899)));
        assert!(wakeups.take_due(ONE, start + Duration::from_millis(31)));
    }

    #[test]
    fn a_request_ends_the_sleep_of_the_ticker() {
        let start = Instant::now();
        let wakeups = Wakeups::new(1, start);
        wakeups.served_here();
        std::thread::scope(|scope| {
            scope.spawn(|| wakeups.request(ONE, start));
            while !wakeups.take_due(ONE, start) {
                std::thread::park();
            }
        });
    }
}
