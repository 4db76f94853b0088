//! `/live` and `/ready`: for whatever starts gateways and sends players to them. They need no token and ask no worker.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::app::{App, Phase};
use super::reply::{Reply, json};
use super::units::millis;
use crate::observe::{DrainPhase, STUCK_AFTER};

/// A worker that has not answered for so long will not recover: a restart is better for its players.
const DEAD_AFTER: Duration = Duration::from_secs(15);

/// What the answers depend on.
#[derive(Clone, Copy, Debug)]
struct Health {
    phase: Phase,
    is_draining: bool,
    /// The worker that has not answered for longest.
    silence: Option<(usize, Duration)>,
    /// Whether a game server is needed, and there is none.
    lacks_server: bool,
}

impl App {
    /// Whether the process works.
    pub(super) fn live(&self) -> Reply {
        let (status, body) = self.health().live();
        json(status, &body)
    }

    /// Whether players should be sent here.
    pub(super) fn ready(&self) -> Reply {
        let (status, body) = self.health().ready();
        json(status, &body)
    }

    fn health(&self) -> Health {
        let report = self.observer.report();
        Health {
            phase: self.phase(),
            is_draining: report.drain.phase != DrainPhase::Serving,
            silence: self.observer.longest_silence(),
            lacks_server: self.ready_needs_server() && report.servers == 0,
        }
    }
}

impl Health {
    fn live(self) -> (StatusCode, Value) {
        self.stuck(DEAD_AFTER).unwrap_or((StatusCode::OK, json!({ "status": "live" })))
    }

    fn ready(self) -> (StatusCode, Value) {
        let no = |reason| (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": reason }));
        match self.phase {
            Phase::Stopping | Phase::Ended => no("stopping"),
            Phase::Serving if self.is_draining => no("draining"),
            Phase::Serving => match self.stuck(STUCK_AFTER) {
                Some(stuck) => stuck,
                None if self.lacks_server => no("no_server"),
                None => (StatusCode::OK, json!({ "status": "ready" })),
            },
        }
    }

    /// The answer when a worker has not answered for `limit`.
    fn stuck(self, limit: Duration) -> Option<(StatusCode, Value)> {
        let (worker, silence) = self.silence.filter(|(_, silence)| *silence >= limit)?;
        let body = json!({ "status": "worker_stuck", "worker": worker, "silent_ms": millis(silence) });
        Some((StatusCode::SERVICE_UNAVAILABLE, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(silence_millis: u64) -> Health {
        let silence = Some((1, Duration::from_millis(silence_millis)));
        Health { phase: Phase::Serving, is_draining: false, silence, lacks_server: false }
    }

    #[test]
    fn a_worker_that_does_not_answer_for_three_seconds_makes_the_gateway_unready() {
        assert_eq!(health(2_999).ready(), (StatusCode::OK, json!({ "status": "ready" })));
        let stuck = json!({ "status": "worker_stuck", "worker": 1, "silent_ms": 3_000 });
        assert_eq!(health(3_000).ready(), (StatusCode::SERVICE_UNAVAILABLE, stuck));
        let stopping = Health { phase: Phase::Stopping, ..health(60_000) };
        assert_eq!(stopping.ready().1, json!({ "status": "stopping" }));
        let draining = Health { is_draining: true, ..health(0) };
        assert_eq!(draining.ready(), (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "draining" })));
        assert_eq!(draining.live().0, StatusCode::OK, "who is there is served");
        let alone = Health { lacks_server: true, ..health(0) };
        assert_eq!(alone.ready(), (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "no_server" })));
    }

    #[test]
    fn a_worker_that_does_not_answer_for_fifteen_seconds_makes_the_gateway_dead() {
        assert_eq!(health(14_999).live(), (StatusCode::OK, json!({ "status": "live" })));
        for phase in [Phase::Serving, Phase::Stopping] {
            let (status, body) = Health { phase, ..health(15_000) }.live();
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(body, json!({ "status": "worker_stuck", "worker": 1, "silent_ms": 15_000 }));
        }
        let ended = Health { silence: None, phase: Phase::Stopping, ..health(0) };
        assert_eq!(ended.live().0, StatusCode::OK, "workers that have ended are not stuck");
    }
}
