//! For how long a link was held up, by reason.

use std::time::{Duration, Instant};

use fastway_service::{PerKind, kinds};

use super::turn_clock::TurnClock;

kinds! {
    /// What can hold a link up.
    pub enum WaitReason {
        /// More waits in the link's outbox than its bounds allow: the peer takes too little.
        OutboxFull = "outbox_full",
        /// The link is not read until there is room behind what it feeds.
        PausedSource = "paused_source",
        /// The link is not read until its peer takes the answers to its own requests.
        UnreadAnswers = "unread_answers",
        /// The link is not read until the next sweep: it has sent what `--max-bytes-per-second` allows.
        ByteRate = "byte_rate",
        /// The system took less than there was to send.
        SlowWrite = "slow_write",
        /// Its session has lost its transport, and waits for another one.
        NoTransport = "no_transport",
    }
}

/// How often and for how long something was held up for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Times that it began.
    pub count: u64,
    /// Time in all, the one that lasts included.
    pub total: Duration,
    /// How long it has lasted, if it has not ended.
    pub lasting: Option<Duration>,
}

/// The waits of a link by [`WaitReason`].
pub type WaitReport = PerKind<WaitReason, Wait>;

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

impl Wait {
    /// Adds what another one has, except that it lasts.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.total += other.total;
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
