//! The clock of a stream: tokio's, which a test can pause.

use std::time::Instant;

/// The runtime's time, which a test may stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
