//! For how long a link was held up, by reason.

use std::time::{Duration, Instant};

use fastway_admin::observe::{Wait, WaitReason, WaitReport};
use fastway_service::PerKind;

use super::turn_clock::TurnClock;

/// Stopwatches for all reasons. One that never ran costs a link a pointer.
#[derive(Debug, Default)]
pub(crate) struct Waits(Option<Box<PerKind<WaitReason, Stopwatch>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Stopwatch {
    since: Option<Instant>,
    total: Duration,
    count: u64,
}

impl Waits {
    /// Notes that the link is held up from now on; a wait that lasts goes on.
    #[cold]
    pub(crate) fn begin(&mut self, reason: WaitReason, clock: &TurnClock) {
        let watch = &mut self.0.get_or_insert_default()[reason];
        if watch.since.is_none() {
            watch.since = Some(clock.now());
            watch.count += 1;
        }
    }

    /// Notes that the link goes on. Reads the clock only if it was held up.
    #[inline]
    pub(crate) fn end(&mut self, reason: WaitReason, clock: &TurnClock) {
        if self.0.is_some() {
            self.stop(reason, clock);
        }
    }

    /// Notes whether the link is held up from now on.
    pub(crate) fn set(&mut self, reason: WaitReason, holds: bool, clock: &TurnClock) {
        if holds { self.begin(reason, clock) } else { self.end(reason, clock) }
    }

    /// How the stopwatches stand.
    pub(crate) fn report(&self, now: Instant) -> WaitReport {
        self.0.as_deref().map_or_else(WaitReport::default, |watches| PerKind::new(|reason| watches[reason].read(now)))
    }

    fn stop(&mut self, reason: WaitReason, clock: &TurnClock) {
        let Some(watches) = self.0.as_deref_mut() else { return };
        let watch = &mut watches[reason];
        if let Some(since) = watch.since.take() {
            watch.total += clock.now().saturating_duration_since(since);
        }
    }
}

impl Stopwatch {
    fn read(self, now: Instant) -> Wait {
        let lasting = self.since.map(|since| now.saturating_duration_since(since));
        Wait { count: self.count, total: self.total + lasting.unwrap_or_default(), lasting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: WaitReason = WaitReason::PausedSource;

    fn wait(waits: &Waits, now: Instant) -> Wait {
        waits.report(now)[REASON]
    }

    #[test]
    fn waits_add_up_and_the_one_that_lasts_counts() {
        let start = Instant::now();
        let clock = TurnClock::new(start);
        let at = |seconds| {
            clock.set(Duration::from_secs(seconds));
            &clock
        };
        let mut waits = Waits::default();
        waits.begin(REASON, at(0));
        waits.begin(REASON, at(1));
        waits.end(REASON, at(3));
        waits.end(REASON, at(4));
        waits.begin(REASON, at(10));
        let expected = Wait { count: 2, total: Duration::from_secs(5), lasting: Some(Duration::from_secs(2)) };
        assert_eq!(wait(&waits, at(12).now()), expected);
        waits.end(REASON, at(13));
        assert_eq!(wait(&waits, at(99).now()), Wait { count: 2, total: Duration::from_secs(6), lasting: None });
        let others = WaitReason::ALL.iter().filter(|reason| **reason != REASON);
        assert!(others.map(|reason| waits.report(start)[*reason]).all(|wait| wait == Wait::default()));
    }

    #[test]
    fn a_link_that_never_waited_reads_no_clock() {
        let (mut waits, clock) = (Waits::default(), TurnClock::new(Instant::now()));
        waits.end(REASON, &clock);
        assert!(!clock.was_read());
        assert_eq!(waits.report(Instant::now()), WaitReport::default());
    }
}
