//! What was counted in one part of a run.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock::nanos;

/// Latencies beyond count as this.
const LONGEST: Duration = Duration::from_mins(2);

/// Width of a step of [`Stats::timeline`].
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// Nanoseconds, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, nanos(LONGEST), 3).unwrap_or_else(|_| unbounded())
}

#[expect(clippy::expect_used, reason = "three digits are among those that hdrhistogram takes")]
fn unbounded() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

/// Counts of one part of a run.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    /// When it began and ended, in nanoseconds of the run's clock.
    pub(crate) span: (u64, u64),
    /// Frames that the gateway has carried, each counted where it arrived.
    pub(crate) frames: u64,
    /// Bytes of their payloads.
    pub(crate) bytes: u64,
    /// From the time at which a message was to be sent until it, or its answer, was there.
    pub(crate) latency: Histogram<u64>,
    /// By how much the generator itself was late, for each message of a schedule.
    pub(crate) lag: Histogram<u64>,
    /// Frames carried in each [`STEP`].
    pub(crate) timeline: Vec<u64>,
}

impl Stats {
    pub(crate) fn new(begin: u64, end: u64) -> Self {
        let steps = end.saturating_sub(begin).div_ceil(nanos(STEP));
        let timeline = vec![0; usize::try_from(steps).unwrap_or(0)];
        Self { span: (begin, end), frames: 0, bytes: 0, latency: histogram(), lag: histogram(), timeline }
    }

    /// Those of several parts as one.
    pub(crate) fn join<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        parts.fold(Self::new(0, 0), |mut whole, part| {
            whole.span.1 += nanos(part.time());
            whole.frames += part.frames;
            whole.bytes += part.bytes;
            whole.latency += &part.latency;
            whole.lag += &part.lag;
            whole.timeline.extend(&part.timeline);
            whole
        })
    }

    /// Whether `time` lies in it.
    #[inline]
    pub(crate) fn covers(&self, time: u64) -> bool {
        (self.span.0..self.span.1).contains(&time)
    }

    /// Counts a frame that arrived at `now`.
    #[inline]
    pub(crate) fn arrived(&mut self, now: u64, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
        let step = now.saturating_sub(self.span.0) / nanos(STEP);
        if let Some(count) = usize::try_from(step).ok().and_then(|step| self.timeline.get_mut(step)) {
            *count += 1;
        }
    }

    /// How long it lasted.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.span.1.saturating_sub(self.span.0))
    }
}
