//! How far a drain has come.

use std::fmt;
use std::time::Duration;

use fastway_service::kinds;

kinds! {
    /// Where a gateway is in a drain.
    pub enum DrainPhase {
        /// It does not drain.
        Serving = "serving",
        /// It drains, and newcomers are still taken in.
        Announced = "announced",
        /// Newcomers are turned away; clients that are there go on.
        Waiting = "waiting",
        /// Clients that are there are being closed.
        Closing = "closing",
        /// No client is left.
        Drained = "drained",
    }
}

/// How far a drain has come. As text it is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainStatus {
    /// The phase.
    pub phase: DrainPhase,
    /// Links of clients, with those of sessions that wait for their client.
    pub clients: usize,
    /// How long the phase lasts at most; `None` if it has no end.
    pub remaining: Option<Duration>,
}

impl Default for DrainStatus {
    fn default() -> Self {
        Self { phase: DrainPhase::Serving, clients: 0, remaining: None }
    }
}

impl fmt::Display for DrainStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, clients, remaining } = self;
        write!(f, "drain phase={} clients={clients}", phase.name())?;
        match remaining {
            Some(remaining) => write!(f, " remaining={:.1}s", remaining.as_secs_f64()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        let waiting =
            DrainStatus { phase: DrainPhase::Waiting, clients: 3, remaining: Some(Duration::from_millis(1_240)) };
        assert_eq!(waiting.to_string(), "drain phase=waiting clients=3 remaining=1.2s");
        assert_eq!(DrainStatus::default().to_string(), "drain phase=serving clients=0");
    }
}
