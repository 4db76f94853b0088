//! Where a worker is on its way to the end.
//!
//! ```text
//!   Running ──asked──> Quiescing: reads nothing more ──all others have──> Draining: its links close
//! ```
//!
//! Frames that one worker has read for another are on their way until it says that it reads no more; only then do
//! connections end.

/// The way of a worker to its end.
#[derive(Debug)]
pub(super) struct Stop {
    phase: Phase,
    /// Other workers that have not said yet that they read nothing more.
    still_reading: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Quiescing,
    Draining,
}

impl Stop {
    /// A worker beside `others`.
    pub(super) fn new(others: usize) -> Self {
        Self { phase: Phase::Running, still_reading: others }
    }

    /// Whether links are still read.
    pub(super) fn is_reading(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether links are being closed.
    pub(super) fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    /// The worker is asked to stop; false if it was asked before.
    pub(super) fn ask(&mut self) -> bool {
        let first = self.is_reading();
        if first {
            self.phase = Phase::Quiescing;
        }
        first
    }

    /// Another worker reads nothing more.
    pub(super) fn heard_quiesced(&mut self) {
        self.still_reading = self.still_reading.saturating_sub(1);
    }

    /// Goes on to draining if it is time to; true once.
    pub(super) fn begin_draining(&mut self) -> bool {
        let now = self.phase == Phase::Quiescing && self.still_reading == 0;
        if now {
            self.phase = Phase::Draining;
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_begins_once_and_only_when_nobody_reads_any_more() {
        let mut stop = Stop::new(2);
        stop.heard_quiesced();
        assert!(stop.is_reading() && !stop.begin_draining());
        assert!(stop.ask() && !stop.ask());
        assert!(!stop.is_reading() && !stop.begin_draining());
        stop.heard_quiesced();
        assert!(stop.begin_draining() && !stop.begin_draining());
        assert!(stop.is_draining());
    }
}
