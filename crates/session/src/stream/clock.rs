//! The time by which a stream goes.

use std::time::Instant;

/// The runtime's time, which a test may stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
