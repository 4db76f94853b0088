//! How a value that may have been given is laid over a default.

use std::time::Duration;

pub(super) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// 0 on the command line is no limit.
pub(super) fn limit<N: Default + PartialEq>(number: N) -> Option<N> {
    (number != N::default()).then_some(number)
}

/// 0 on the command line is never.
pub(super) fn timeout(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}
