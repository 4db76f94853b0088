//! Gives a session new transports for as long as it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastway_session::{Fault, Settled, Supplier};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::pauses::{Failure, Pauses};
use crate::ConnectError;
use crate::connect::{self, TimeLimit};

/// The task that comes back to the gateway.
pub(super) struct Redialer {
    /// As it was given.
    pub(super) addr: String,
    /// Where the session is: behind a name there may be several gateways, and only one knows it.
    pub(super) gateway: Option<SocketAddr>,
    pub(super) supplier: Supplier<TcpStream>,
    pub(super) shared: Arc<Shared>,
    pub(super) pauses: Pauses,
    pub(super) attempt_timeout: Duration,
}

/// Why a new transport is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There is none.
    Lost,
    /// Somebody thinks that the present one is of no use.
    Asked,
}

/// What came of an attempt, or of several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Resumed,
    Failed,
    /// It was asked to begin anew.
    Asked,
    /// The session is over.
    Over,
}

impl Redialer {
    /// Runs until the session is over.
    pub(super) async fn run(mut self) {
        while let Some(need) = self.needed().await {
            if need == Need::Lost {
                self.interrupted();
            }
            if self.come_back(need).await == Outcome::Over {
                return;
            }
            self.shared.resumed();
        }
    }

    async fn needed(&mut self) -> Option<Need> {
        tokio::select! {
            wanted = self.supplier.wanted() => wanted.map(|_| Need::Lost),
            () = self.shared.asked.notified() => Some(Need::Asked),
        }
    }

    fn interrupted(&mut self) {
        if let Some(lived) = self.shared.interrupted() {
            self.pauses.after_link(lived);
        }
    }

    /// Tries until the session goes on, or is over.
    async fn come_back(&mut self, need: Need) -> Outcome {
        let mut at_once = need == Need::Asked;
        for attempt in 0.. {
            if at_once {
                self.pauses.reset();
            } else if self.pause().await == Outcome::Resumed {
                break;
            }
            let outcome = self.attempt_unless_asked(attempt).await;
            if matches!(outcome, Outcome::Resumed | Outcome::Over) {
                return outcome;
            }
            at_once = outcome == Outcome::Asked;
        }
        Outcome::Resumed
    }

    /// Waits for the next delay, but not when it is asked. An attempt that was given up may have come through meanwhile,
    /// and a transport that was thought dead may be alive.
    async fn pause(&mut self) -> Outcome {
        let delay = self.pauses.next();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.shared.asked.notified() => self.pauses.reset(),
        }
        if self.supplier.is_live() { Outcome::Resumed } else { Outcome::Failed }
    }

    async fn attempt_unless_asked(&mut self, attempt: u32) -> Outcome {
        let shared = Arc::clone(&self.shared);
        // Unless the attempt finds out more: it may run out of time.
        self.pauses.failed(Failure::Other);
        tokio::select! {
            outcome = timeout(self.attempt_timeout, self.attempt(attempt)) => outcome.unwrap_or(Outcome::Failed),
            () = shared.asked.notified() => Outcome::Asked,
        }
    }

    async fn attempt(&mut self, attempt: u32) -> Outcome {
        let transport = match self.connect(attempt).await {
            Ok(transport) => transport,
            Err(error) => {
                tracing::debug!(%error, "no transport for the session");
                self.pauses.failed(Failure::of_connect(&error));
                return Outcome::Failed;
            }
        };
        self.gateway = transport.peer_addr().ok().or(self.gateway);
        // From here on the session has given up the older transport, even one that looked alive.
        self.interrupted();
        if self.supplier.dial(transport).await.is_err() {
            return Outcome::Over;
        }
        match self.supplier.settled().await {
            Settled::Live => Outcome::Resumed,
            Settled::Lost(wanted) => {
                tracing::debug!(fault = ?wanted.fault, "the session was not resumed");
                if let Some(Fault::Refused(status)) = wanted.fault {
                    self.pauses.failed(Failure::of_refusal(status, wanted.retry_after));
                }
                Outcome::Failed
            }
            Settled::Over => Outcome::Over,
        }
    }

    /// By turns to the address that it had, which needs no look-up, and to the name: a network may have others.
    async fn connect(&self, attempt: u32) -> Result<TcpStream, ConnectError> {
        let known = self.gateway.filter(|_| attempt.is_multiple_of(2));
        let addr = known.map_or_else(|| self.addr.clone(), |gateway| gateway.to_string());
        let limit = TimeLimit::start(self.attempt_timeout)?;
        connect::tcp(addr, &limit).await
    }
}
