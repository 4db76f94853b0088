//! Time as the data path sees it: milliseconds since the worker started, read once per sweep.

use std::ops::{Add, AddAssign};
use std::time::{Duration, Instant};

/// A point in time, in milliseconds since the worker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// Later than any other.
    pub const MAX: Self = Self(u64::MAX);

    /// The time at `now` on the clock that began at `start`.
    #[inline]
    pub fn at(now: Instant, start: Instant) -> Self {
        Self(to_millis(now.saturating_duration_since(start)))
    }

    /// The time from `earlier` until this.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds.
    #[inline]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl AddAssign<Duration> for Millis {
    #[inline]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Add<Duration> for Millis {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(to_millis(duration)))
    }
}

#[inline]
fn to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
