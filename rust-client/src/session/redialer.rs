//! Gives a session new transports for as long as it lives.

use std::sync::Arc;
use std::time::Duration;

use fastway_session::{Fault, Status, Supplier, TransportId, Wanted};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Shared;
use super::attempts::{Attempted, Attempts, Outcome};
use super::pauses::{Failure, Pauses};
use crate::Backoff;
use crate::tcp::TimeLimit;

/// The task that comes back to the gateway.
pub(super) struct Redialer {
    /// As it was given.
    pub(super) addr: String,
    pub(super) supplier: Supplier<TcpStream>,
    pub(super) attempts: Attempts,
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

/// A way back to the gateway, from the need to a transport.
struct Way {
    /// Attempts so far.
    attempts: u32,
    /// When the next one is due.
    next_at: Instant,
    /// The gateway has refused one, and is not to be asked before.
    not_before: Instant,
    /// Until an attempt gets another one beside it.
    delays: Backoff,
    /// The transport that is thought to be of no use.
    instead_of: Option<TransportId>,
}

/// The session is over.
struct Over;

impl Redialer {
    /// Runs until the session is over.
    pub(super) async fn run(mut self) {
        while let Ok(need) = self.needed().await
            && self.come_back(need).await.is_ok()
        {
            self.shared.resumed();
        }
    }

    async fn needed(&mut self) -> Result<Need, Over> {
        loop {
            // Those that were begun beside the one that was answered first.
            if self.attempts.is_trial_over() {
                self.attempts.give_up_all();
            }
            tokio::select! {
                is_lost = self.supplier.lost() => return if is_lost { Ok(Need::Lost) } else { Err(Over) },
                () = self.shared.asked.notified() => return Ok(Need::Asked),
                _ = timeout_at(self.attempts.trial_ends(), self.attempts.next_over()), if !self.attempts.is_empty() => {}
            }
        }
    }

    /// Tries until the session goes on, or is over.
    async fn come_back(&mut self, need: Need) -> Result<(), Over> {
        let mut way = self.set_out(need);
        loop {
            tokio::select! {
                () = sleep_until(way.next_at), if self.attempts.has_room() => self.attempt(&mut way),
                attempted = self.attempts.next_over() => match attempted.outcome {
                    Outcome::Live if self.supplier.is_live() => {
                        // Where another transport was asked for, the older one was given up for this one.
                        self.interrupted();
                        return Ok(());
                    }
                    Outcome::Over => return Err(Over),
                    _ => self.failed(&attempted, &mut way),
                },
                is_lost = self.supplier.lost(), if way.instead_of.is_some() => {
                    if !is_lost {
                        return Err(Over);
                    }
                    way.instead_of = None;
                    self.interrupted();
                }
                () = self.shared.asked.notified() => {
                    self.attempts.give_up_all();
                    way = self.set_out(Need::Asked);
                }
            }
        }
    }

    fn set_out(&mut self, need: Need) -> Way {
        let now = Instant::now();
        let (pause, instead_of) = match need {
            Need::Lost => {
                self.interrupted();
                (self.pauses.next(), None)
            }
            Need::Asked => {
                self.pauses.reset();
                (Duration::ZERO, self.supplier.live_transport())
            }
        };
        let delays = self.attempts.delays(self.attempt_timeout);
        Way { attempts: 0, next_at: now + pause, not_before: now, delays, instead_of }
    }

    /// By turns to the address that it had, which needs no look-up, and to the name: a network may have others.
    fn attempt(&mut self, way: &mut Way) {
        let known = self.attempts.gateway().filter(|_| way.attempts.is_multiple_of(2));
        let addr = known.map_or_else(|| self.addr.clone(), |gateway| gateway.to_string());
        self.attempts.begin(addr, TimeLimit::begin(self.attempt_timeout), way.instead_of);
        way.attempts += 1;
        way.next_at = Instant::now() + way.delays.next_delay();
    }

    /// Sees to the pause after an attempt that came to nothing.
    fn failed(&mut self, attempted: &Attempted, way: &mut Way) {
        tracing::debug!(outcome = ?attempted.outcome, "no transport for the session");
        let failure = match &attempted.outcome {
            Outcome::Unanswered(error) => Failure::of_connect(error),
            Outcome::Lost(Wanted { fault: Some(Fault::Refused(Status::StaleAttempt)), .. })
                if !self.attempts.is_empty() =>
            {
                // A newer one has overtaken it.
                return;
            }
            Outcome::Lost(Wanted { fault: Some(Fault::Refused(status)), retry_after }) => {
                Failure::of_refusal(*status, *retry_after)
            }
            _ => Failure::Other,
        };
        self.pauses.failed(failure);
        let after_pause = Instant::now() + self.pauses.next();
        if failure.is_refusal() {
            way.not_before = after_pause;
        }
        if matches!(failure, Failure::Overloaded { .. }) {
            // It is there, and slow.
            way.delays = Backoff::new(self.attempt_timeout, self.attempt_timeout);
        }
        way.next_at = after_pause.max(way.not_before);
    }

    fn interrupted(&mut self) {
        if let Some(lived) = self.shared.interrupted() {
            self.pauses.after_link(lived);
        }
    }
}
