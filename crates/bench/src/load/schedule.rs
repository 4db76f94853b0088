//! When an open loop sends: a fixed plan that does not wait for anybody.

use std::time::Duration;

/// Ticks at equal distances; at each, `burst` messages are due.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: u64,
    ticks_per_second: f64,
    burst: u32,
    tick: u64,
    /// Messages of the current tick that were taken already.
    taken: u32,
}

impl Schedule {
    /// `burst` messages at once, `ticks_per_second` times a second, from `start` (nanoseconds of the run's clock) on.
    pub(crate) fn new(start: u64, ticks_per_second: f64, burst: u32) -> Self {
        Self { start, ticks_per_second, burst, tick: 0, taken: 0 }
    }

    /// When the next message is due, in nanoseconds of the run's clock.
    pub(crate) fn next(&self) -> u64 {
        // From the tick's number, not from the tick before: rounding must not add up.
        let after = Duration::try_from_secs_f64(self.ticks() / self.ticks_per_second).unwrap_or(Duration::MAX);
        self.start.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Takes the next message if it is due at `now`; gives the time at which it was to be sent.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<u64> {
        let due = Some(self.next()).filter(|due| *due <= now)?;
        self.taken += 1;
        if self.taken >= self.burst {
            self.taken = 0;
            self.tick += 1;
        }
        Some(due)
    }

    #[expect(clippy::cast_precision_loss, reason = "exact for the first 2^53 ticks: 9,000 years at 30,000 a second")]
    fn ticks(&self) -> f64 {
        self.tick as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_equal_distances_and_rounding_does_not_add_up() {
        let mut schedule = Schedule::new(1_000, 3.0, 1);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take_due(1_000_001_000)).collect();
        assert_eq!(due, [1_000, 333_334_333, 666_667_667, 1_000_001_000]);
    }

    #[test]
    fn nothing_is_due_early() {
        let mut schedule = Schedule::new(0, 1_000.0, 1);
        assert_eq!(schedule.take_due(0), Some(0));
        assert_eq!(schedule.take_due(999_999), None);
        assert_eq!(schedule.next(), 1_000_000);
    }

    #[test]
    fn what_was_missed_is_due_at_the_time_it_was_to_be_sent() {
        let mut schedule = Schedule::new(0, 1_000.0, 1);
        let late = 10_000_000;
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take_due(late)).collect();
        assert_eq!(due, (0..=10).map(|tick| tick * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_burst_is_due_all_at_once() {
        let mut schedule = Schedule::new(0, 10.0, 3);
        let due: Vec<u64> = std::iter::from_fn(|| schedule.take_due(100_000_000)).collect();
        assert_eq!(due, [0, 0, 0, 100_000_000, 100_000_000, 100_000_000]);
    }
}
