//! A limit for the lines that a peer can cause.

use std::time::{Duration, Instant};

/// Lets a bounded number of log lines a second through and counts the others.
///
/// One per call site, or per reason, whatever a peer can trigger; it belongs to the thread that logs. The clock is the
/// caller's:
///
/// ```
/// # use std::time::Instant;
/// # let mut refused = fastway_service::logging::RateLimit::new(10);
/// if tracing::enabled!(tracing::Level::WARN)
///     && let Some(suppressed) = refused.allow(Instant::now())
/// {
///     tracing::warn!(suppressed = suppressed.count(), "client refused");
/// }
/// ```
///
/// Ask it only when the line would be written: lines of a level that is off must not use up the limit.
#[derive(Debug)]
pub struct RateLimit {
    per_second: u32,
    second: Option<Instant>,
    allowed: u32,
    suppressed: u64,
}

/// How many lines a [`RateLimit`] left out since the last one that it allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(u64);

impl Suppressed {
    /// The number as a field of a line; `None`, which is no field at all, when nothing was left out.
    pub fn count(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

impl RateLimit {
    /// A limit that allows `per_second` lines in each second; with 0 it allows none.
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, second: None, allowed: 0, suppressed: 0 }
    }

    /// Whether a line may be logged at `now`, and if so, how many before it were left out.
    pub fn allow(&mut self, now: Instant) -> Option<Suppressed> {
        self.turn_to(now);
        if self.allowed >= self.per_second {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.allowed += 1;
        Some(Suppressed(std::mem::take(&mut self.suppressed)))
    }

    /// Begins a new second when the one that counts is over.
    fn turn_to(&mut self, now: Instant) {
        let over = self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1));
        if over {
            self.second = Some(now);
            self.allowed = 0;
        }
    }
}

/// Logs a line that peers can cause, if its level is on and its limit allows it: the limit, the level, the fields, the
/// message. What was left out before stands in the field `suppressed`. Whoever uses it depends on `tracing`.
#[macro_export]
macro_rules! limited {
    (target: $target:expr, $limit:expr, $level:ident, [$($fields:tt)*], $($message:tt)+) => {
        if tracing::enabled!(target: $target, tracing::Level::$level)
            && let Some(suppressed) = $limit.allow(std::time::Instant::now())
        {
            tracing::event!(
                target: $target, tracing::Level::$level, $($fields)*, suppressed = suppressed.count(), $($message)+
            );
        }
    };
    ($limit:expr, $level:ident, [$($fields:tt)*], $($message:tt)+) => {
        $crate::limited!(target: module_path!(), $limit, $level, [$($fields)*], $($message)+)
    };
}

pub use limited;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_so_many_lines_a_second_and_counts_the_rest() {
        let start = Instant::now();
        let mut limit = RateLimit::new(2);
        assert_eq!(limit.allow(start), Some(Suppressed(0)));
        assert_eq!(limit.allow(start), Some(Suppressed(0)));
        assert_eq!(limit.allow(start), None);
        assert_eq!(limit.allow(start + Duration::from_millis(999)), None);
        assert_eq!(limit.allow(start + Duration::from_secs(1)), Some(Suppressed(2)));
        assert_eq!(limit.allow(start + Duration::from_secs(1)), Some(Suppressed(0)));
        assert_eq!(limit.allow(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn the_count_of_lines_left_out_is_shown_only_when_there_are_some() {
        assert_eq!(Suppressed(0).count(), None);
        assert_eq!(Suppressed(3).count(), Some(3));
    }

    #[test]
    fn a_line_whose_level_is_off_does_not_use_up_its_limit() {
        let filter = tracing_subscriber::filter::LevelFilter::INFO;
        let subscriber = tracing_subscriber::fmt().with_max_level(filter).with_writer(std::io::sink).finish();
        let mut limit = RateLimit::new(1);
        tracing::subscriber::with_default(subscriber, || {
            limited!(limit, DEBUG, [peer = 1], "a peer came");
            assert_eq!(limit.allowed, 0);
            limited!(limit, INFO, [peer = 1], "a peer came");
            assert_eq!(limit.allowed, 1);
        });
    }

    #[test]
    fn a_limit_of_zero_allows_nothing() {
        assert_eq!(RateLimit::new(0).allow(Instant::now()), None);
    }

    #[test]
    fn a_clock_that_steps_back_neither_panics_nor_opens_the_limit() {
        let later = Instant::now() + Duration::from_secs(9);
        let mut limit = RateLimit::new(1);
        assert!(limit.allow(later).is_some());
        assert!(limit.allow(later - Duration::from_secs(5)).is_none());
    }
}
