//! The time of a turn, for the rules of links and sessions.

use std::cell::Cell;
use std::time::Instant;

use fastway_service::clock::Millis;

/// A clock that stands still within a turn of a worker. It is read from the system only if somebody asks: most turns of the
/// data path need no time.
#[derive(Debug)]
pub(crate) struct TurnClock {
    started: Instant,
    now: Cell<Option<Instant>>,
}

impl TurnClock {
    /// The clock of a worker that started at that time.
    pub(crate) const fn new(started: Instant) -> Self {
        Self { started, now: Cell::new(None) }
    }

    /// A turn begins, or a task that may have waited for long: the time is another one.
    #[inline]
    pub(crate) fn restart(&self) {
        self.now.set(None);
    }

    /// The time of the turn.
    pub(crate) fn now(&self) -> Instant {
        let now = self.now.get().unwrap_or_else(Instant::now);
        self.now.set(Some(now));
        now
    }

    /// The same, since the worker started.
    pub(crate) fn millis(&self) -> Millis {
        self.at(self.now())
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
    pub(crate) fn set(&self, since_start: std::time::Duration) {
        self.now.set(Some(self.started + since_start));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
}
