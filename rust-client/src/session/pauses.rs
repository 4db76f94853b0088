//! Pauses before attempts to resume a session (`docs/protocol.md` §3.4).

use std::io;
use std::time::Duration;

use fastway_session::Status;

use crate::{Backoff, ConnectError};

/// Longest pause while the port is closed. After a restart of the gateway its players should be back at once, and a
/// refused connect costs its machine next to nothing.
const LONGEST_WHILE_ABSENT: Duration = Duration::from_millis(400);
/// The pause after a refusal that would be final. Several in a row end the session, so its end is soon known.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Why an attempt failed, as far as the next pause depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The port is closed.
    Absent,
    /// The gateway refused for good, if the refusal is genuine.
    Refused,
    /// Another gateway refused. This is no reason to wait for the right one.
    OtherGateway,
    /// The gateway is overloaded, and gave a time.
    Overloaded {
        /// How long to wait at least.
        retry_after: Duration,
    },
    /// Anything else.
    Other,
}

/// The pauses before attempts. Each is drawn from its upper half; after an overload, from the gateway's time up to 1.5
/// times that.
#[derive(Debug)]
pub(super) struct Pauses {
    backoff: Backoff,
    absent: Backoff,
    refused: Backoff,
    last: Failure,
}

impl Failure {
    /// The failure of a connect.
    pub(super) fn of_connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::Unreachable { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Self::Absent
            }
            _ => Self::Other,
        }
    }

    /// Whether the gateway itself has refused.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::Overloaded { .. })
    }

    /// The failure of a resume that the gateway has refused.
    pub(super) fn of_refusal(status: Status, retry_after: Option<Duration>) -> Self {
        match retry_after {
            Some(retry_after) => Self::Overloaded { retry_after },
            None if status.would_be_final() => Self::Refused,
            None => Self::Other,
        }
    }
}

impl Pauses {
    /// Pauses that grow like `backoff`, except for kinds of failure with a bound of their own.
    pub(super) fn new(backoff: Backoff) -> Self {
        let absent = backoff.capped(LONGEST_WHILE_ABSENT);
        Self { backoff, absent, refused: Backoff::new(AFTER_REFUSAL, AFTER_REFUSAL), last: Failure::Other }
    }

    /// The last attempt has failed for this reason.
    pub(super) fn failed(&mut self, failure: Failure) {
        self.last = failure;
    }

    /// Draws the next pause.
    pub(super) fn next(&mut self) -> Duration {
        match self.last {
            Failure::Absent => self.absent.next_delay(),
            Failure::Refused | Failure::OtherGateway => self.refused.next_delay(),
            Failure::Overloaded { retry_after } => self.backoff.after_overload(retry_after),
            Failure::Other => self.backoff.next_delay(),
        }
    }

    /// A transport was lost after `lived`.
    pub(super) fn after_link(&mut self, lived: Duration) {
        self.backoff.after_link(lived);
        self.absent.after_link(lived);
        self.last = Failure::Other;
    }

    /// Starts again with the first pause.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
        self.absent.reset();
        self.last = Failure::Other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses() -> Pauses {
        let mut pauses = Pauses::new(Backoff::new(Duration::from_millis(50), Duration::from_secs(2)));
        // A long absence before.
        for _ in 0..10 {
            pauses.next();
        }
        pauses
    }

    #[test]
    fn a_gateway_that_is_back_and_knows_no_session_has_said_so_within_a_second() {
        for _ in 0..100 {
            let mut pauses = pauses();
            pauses.failed(Failure::Absent);
            for _ in 0..10 {
                pauses.next();
            }
            let until_it_answers = pauses.next();
            pauses.failed(Failure::Refused);
            let refusals: Duration = (0..3).map(|_| pauses.next()).sum();
            assert!(until_it_answers + refusals <= Duration::from_millis(700), "{until_it_answers:?}, {refusals:?}");
        }
    }

    #[test]
    fn any_other_failure_waits_as_long_as_before() {
        let mut pauses = pauses();
        pauses.failed(Failure::Refused);
        pauses.next();
        pauses.failed(Failure::Other);
        assert!(pauses.next() >= Duration::from_secs(1));
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(50));
    }

    #[test]
    fn after_an_overload_the_pause_is_as_long_as_the_gateway_says_and_up_to_half_longer() {
        let mut pauses = pauses();
        let seconds = Duration::from_secs;
        for (told, least) in [(seconds(0), seconds(0)), (seconds(1), seconds(1)), (seconds(65), seconds(2))] {
            pauses.failed(Failure::of_refusal(Status::Overloaded, Some(told)));
            for _ in 0..100 {
                let pause = pauses.next();
                assert!(pause >= least.max(Duration::from_millis(1)), "{told:?}: {pause:?}");
                assert!(pause <= least.mul_f64(1.5).max(Duration::from_millis(2)), "{told:?}: {pause:?}");
            }
        }
        assert_eq!(Failure::of_refusal(Status::Overloaded, None), Failure::Other, "a gateway that says nothing of it");
    }

    #[test]
    fn settings_below_the_bounds_are_kept() {
        let mut pauses = Pauses::new(Backoff::new(Duration::from_millis(1), Duration::from_millis(5)));
        pauses.failed(Failure::Absent);
        (0..10).for_each(|_| assert!(pauses.next() <= Duration::from_millis(5)));
    }
}
