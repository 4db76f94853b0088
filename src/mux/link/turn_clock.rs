//! The time of a turn, for the rules of links and sessions.

use std::cell::Cell;
use std::time::{Duration, Instant};

use fastway_service::clock::Millis;

/// A clock that stands still within a turn of a worker. It is read from the system only if somebody asks: most turns of the
/// data path need no time.
#[derive(Debug)]
pub(crate) struct TurnClock {
    started: Instant,
    now: Cell<Option<Instant>>,
    /// How far time counts: see [`TurnClock::counted`].
    counts_until: Cell<Millis>,
}

impl TurnClock {
    /// The clock of a worker that started at that time.
    pub(crate) const fn new(started: Instant) -> Self {
        Self { started, now: Cell::new(None), counts_until: Cell::new(Millis::MAX) }
    }

    /// A turn begins, or a task that may have waited for long: the time is another one.
    #[inline]
    pub(crate) fn restart(&self) {
        self.now.set(None);
    }

    /// The time of the turn.
    pub(crate) fn now(&self) -> Instant {
        self.now.get().unwrap_or_else(|| self.read())
    }

    /// Reads the system's clock; that is the time of the turn from now on. For tasks that may run at any time of a turn, and
    /// for what must not be taken for earlier than it is.
    pub(crate) fn read(&self) -> Instant {
        let now = Instant::now();
        self.now.set(Some(now));
        now
    }

    /// Time since the clock was read, by another reading.
    pub(crate) fn since(&self, began: Instant) -> Duration {
        self.read().saturating_duration_since(began)
    }

    /// The same, since the worker started.
    pub(crate) fn millis(&self) -> Millis {
        self.at(self.now())
    }

    /// The time of the turn as far as it counts against a peer.
    ///
    /// The worker may have stood still, maybe with the whole process. What came meanwhile is not read yet, and only the next
    /// sweep tells by how much the times that were noted have to be moved. So until then no more time is past than two sweeps
    /// may be apart, and a time that is noted late is moved like those before it.
    pub(crate) fn counted(&self) -> Millis {
        self.millis().min(self.counts_until.get())
    }

    /// Has time count until then.
    pub(crate) fn count_until(&self, at: Millis) {
        self.counts_until.set(at);
    }

    /// A point in time, since the worker started.
    pub(crate) fn at(&self, now: Instant) -> Millis {
        Millis::at(now, self.started)
    }

    /// Whether somebody has asked for the time in this turn.
    #[cfg(test)]
    pub(crate) fn was_read(&self) -> bool {
        self.now.get().is_some()
    }

    /// Sets the time, for tests.
    #[cfg(test)]
    pub(crate) fn set(&self, since_start: Duration) {
        self.now.set(Some(self.started + since_start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_turn_is_that_of_the_first_question() {
        let clock = TurnClock::new(Instant::now());
        let first = clock.now();
        while Instant::now() == first {}
        assert_eq!(clock.now(), first);
        clock.restart();
        assert!(clock.now() > first);
        clock.set(Duration::from_secs(7));
        assert_eq!(clock.millis(), Millis::default() + Duration::from_secs(7));
    }

    #[test]
    fn time_counts_as_far_as_a_sweep_allows() {
        let clock = TurnClock::new(Instant::now());
        let at = |seconds| Millis::default() + Duration::from_secs(seconds);
        clock.set(Duration::from_secs(7));
        assert_eq!(clock.counted(), at(7), "no sweep was due yet");
        for (until, counted) in [(9, 7), (7, 7), (6, 6)] {
            clock.count_until(at(until));
            assert_eq!((clock.counted(), clock.millis()), (at(counted), at(7)));
        }
    }

    #[test]
    fn what_takes_time_within_a_turn_is_measured_and_moves_the_time_of_the_turn() {
        let clock = TurnClock::new(Instant::now());
        let began = clock.read();
        while Instant::now() == began {}
        let took = clock.since(began);
        assert!(took > Duration::ZERO);
        assert_eq!(clock.now(), began + took);
    }
}
