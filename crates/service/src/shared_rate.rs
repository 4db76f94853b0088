//! A bound on how often something may happen in a second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What may happen at once, after a time in which nothing happened: what is due in this time, and always one.
const BURST_NANOS: u64 = 100_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How often something may happen in a second, for all threads together. It is the generic cell rate algorithm.
#[derive(Debug)]
pub struct SharedRate {
    started: Instant,
    /// Nanoseconds from one to the next; 0: there is no bound.
    interval: AtomicU64,
    /// When the next one is due, if nothing ever happens at once; in nanoseconds from `started` on.
    due: AtomicU64,
}

impl SharedRate {
    /// At most `per_second` in a second, on average; `None`: any number. `now` is not after any later time.
    pub fn new(per_second: Option<u32>, now: Instant) -> Self {
        Self { started: now, interval: AtomicU64::new(interval(per_second)), due: AtomicU64::new(0) }
    }

    /// The part of one of `parts` users: it has `1 / parts` of what this one had when it was made.
    pub fn part(&self, parts: usize) -> Self {
        let parts = u64::try_from(parts).unwrap_or(u64::MAX);
        let interval = AtomicU64::new(self.interval.load(Relaxed).saturating_mul(parts));
        Self { started: self.started, interval, due: AtomicU64::new(0) }
    }

    /// Changes the bound. What happened under another one does not count.
    pub fn set(&self, per_second: Option<u32>) {
        let interval = interval(per_second);
        if self.interval.swap(interval, Relaxed) != interval {
            self.due.store(0, Relaxed);
        }
    }

    /// Whether there is a bound.
    pub fn is_bounded(&self) -> bool {
        self.interval.load(Relaxed) != 0
    }

    /// Whether it may happen now; if so, it counts.
    pub fn afford(&self, now: Instant) -> bool {
        let (interval, now) = (self.interval.load(Relaxed), self.nanos(now));
        let latest = now.saturating_add(BURST_NANOS.max(interval) - interval);
        let step = |due: u64| (due <= latest && interval != u64::MAX).then(|| due.max(now).saturating_add(interval));
        self.due.fetch_update(Relaxed, Relaxed, step).is_ok()
    }

    /// It happens now, whether it may or not. Returns how long to wait before it should happen again.
    pub fn spend(&self, now: Instant) -> Duration {
        let (interval, now) = (self.interval.load(Relaxed), self.nanos(now));
        let step = |due: u64| Some(due.max(now).saturating_add(interval));
        let due = self.due.fetch_update(Relaxed, Relaxed, step).unwrap_or_default().max(now).saturating_add(interval);
        let latest = now.saturating_add(BURST_NANOS.max(interval) - interval);
        Duration::from_nanos(due.saturating_sub(latest))
    }

    /// What was counted did not happen after all.
    pub fn give_back(&self) {
        let interval = self.interval.load(Relaxed);
        let _always_some = self.due.fetch_update(Relaxed, Relaxed, |due| Some(due.saturating_sub(interval)));
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_nanos()).unwrap_or(u64::MAX)
    }
}

fn interval(per_second: Option<u32>) -> u64 {
    per_second.map_or(0, |per_second| NANOS_PER_SECOND.checked_div(per_second.into()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_happen_in_a_second() {
        let now = Instant::now();
        for (per_second, expected) in [(50, 200..=205), (0, 0..=0)] {
            let rate = SharedRate::new(Some(per_second), now);
            let afforded = (0..4000).filter(|tick| rate.afford(now + Duration::from_millis(*tick))).count();
            assert!(expected.contains(&afforded), "{afforded} of {per_second} a second in four seconds");
            assert!(!rate.afford(now), "time that went back earns nothing");
        }
        let unbounded = SharedRate::new(None, now);
        assert!((0..10_000).all(|_| unbounded.afford(now)) && !unbounded.is_bounded());
        assert_eq!(unbounded.spend(now), Duration::ZERO);
    }

    #[test]
    fn few_in_a_second_are_as_many_as_are_asked_for() {
        for per_second in 1..=20 {
            let now = Instant::now();
            let rate = SharedRate::new(Some(per_second), now);
            assert!(rate.afford(now), "{per_second} in a second");
            let afforded = (1..=10_000).filter(|tick| rate.afford(now + Duration::from_millis(*tick))).count();
            let expected = 10 * per_second as usize;
            assert!((expected - 1..=expected + 1).contains(&afforded), "{per_second} in a second, {afforded} in ten");
        }
    }

    #[test]
    fn whoever_waits_as_long_as_it_is_told_keeps_to_the_bound() {
        let start = Instant::now();
        let rate = SharedRate::new(Some(100), start);
        let (mut now, mut happened) = (start, 0);
        while now < start + Duration::from_secs(10) {
            now += rate.spend(now);
            happened += 1;
        }
        assert!((1000..=1011).contains(&happened), "{happened} in ten seconds, and a burst");
        let after_a_pause: Vec<_> = (0..12).map(|_| rate.spend(now + Duration::from_secs(60)).is_zero()).collect();
        assert_eq!(
            after_a_pause.iter().filter(|at_once| **at_once).count(),
            9,
            "a tenth of a second's, and the next waits"
        );
    }

    #[test]
    fn what_is_given_back_may_happen_and_a_new_bound_holds_at_once() {
        let now = Instant::now();
        let rate = SharedRate::new(Some(1), now);
        assert!(rate.afford(now) && !rate.afford(now));
        rate.give_back();
        assert!(rate.afford(now));
        rate.set(None);
        assert!(rate.afford(now) && rate.afford(now));
    }

    #[test]
    fn a_part_has_its_share() {
        let now = Instant::now();
        let part = SharedRate::new(Some(100), now).part(4);
        let afforded = (0..4000).filter(|tick| part.afford(now + Duration::from_millis(*tick))).count();
        assert!((100..=103).contains(&afforded), "{afforded} of 25 a second in four seconds");
    }
}
