//! Why there is no gateway to be measured.

use std::io;
use std::time::Duration;

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("cannot start {0}: {1}")]
    Spawn(String, #[source] io::Error),
    #[error("the gateway ended before it listened: {0}")]
    Died(String),
    #[error("the gateway does not listen on both of its ports after {0:?}; {1}")]
    NotListening(Duration, String),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot start a gateway: {0}")]
    Io(#[from] io::Error),
}
