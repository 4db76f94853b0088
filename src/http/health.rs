//! `/live` and `/ready`: for whatever starts gateways and sends players to them. They need no token and ask no worker.

use hyper::StatusCode;
use serde_json::json;

use super::app::{App, Phase};
use super::reply::{Reply, json};

impl App {
    /// The process answers.
    pub(super) fn live(&self) -> Reply {
        json(StatusCode::OK, &json!({ "status": "live" }))
    }

    /// Whether players should be sent here.
    pub(super) fn ready(&self) -> Reply {
        let (status, word) = match self.phase() {
            Phase::Serving if self.ready_needs_server && self.observer.report().servers == 0 => {
                (StatusCode::SERVICE_UNAVAILABLE, "no_server")
            }
            Phase::Serving => (StatusCode::OK, "ready"),
            Phase::Stopping | Phase::Ended => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        json(status, &json!({ "status": word }))
    }
}
