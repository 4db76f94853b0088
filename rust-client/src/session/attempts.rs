//! Attempts to give a session a transport.
//!
//! A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
//! gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins. A
//! gateway that is slow to answer must not be asked again and again by everybody: each of the delays is twice as long as the
//! one before, and there are no more than a few attempts at a time.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use fastway_session::{Dialer, Settled, TransportId, Wanted};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::tcp::{TimeLimit, tcp};
use crate::{Backoff, ConnectError, ConnectStep};

/// Attempts at a time.
const MOST: usize = 3;
/// The longest delay between an attempt and the first one beside it, of which the real one is drawn from the upper half; and the
/// same in times of an answered attempt, where that is longer. A crowd that comes back at once is answered within a second or two,
/// and should not have asked twice by then.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const ANSWERS: u32 = 3;
/// Least time for which attempts stay beside one that was answered; else two round trips, as connecting takes one.
const LEAST_TRIAL: Duration = Duration::from_millis(50);
/// Before an attempt was answered there is none beside it.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Those that are under way. Dropping it gives them up.
pub(super) struct Attempts {
    dialer: Dialer<TcpStream>,
    running: JoinSet<Attempted>,
    /// How long the attempt took that was answered last.
    answered_after: Option<Duration>,
    /// The address that it went to: behind a name there may be several gateways, and only one knows the session.
    gateway: Option<SocketAddr>,
    /// Until then a newer attempt may turn out to have taken the place of the answered one at the gateway, which closes that.
    trial_ends: Instant,
}

/// An attempt that is over.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    /// Where it went to, and how long connecting took.
    connected: Option<(SocketAddr, Duration)>,
    took: Duration,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A transport carries the session.
    Live,
    /// There was no connection, or no answer in time.
    Unanswered(ConnectError),
    /// The transport was refused or lost.
    Lost(Wanted),
    /// The session is over.
    Over,
}

impl Attempts {
    pub(super) fn new(dialer: Dialer<TcpStream>) -> Self {
        Self { dialer, running: JoinSet::new(), answered_after: None, gateway: None, trial_ends: Instant::now() + FAR }
    }

    /// Where the session is.
    pub(super) fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// Whether there may be another one.
    pub(super) fn has_room(&self) -> bool {
        self.running.len() < MOST
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The delays before attempts beside others, for a session that has none so far.
    pub(super) fn delays(&self, longest: Duration) -> Backoff {
        let slow = self.answered_after.unwrap_or_default().saturating_mul(ANSWERS);
        let first = FIRST_DELAY.max(slow);
        Backoff::new(first, longest)
    }

    /// Begins one to `addr`.
    pub(super) fn begin(&mut self, addr: String, limit: TimeLimit, instead_of: Option<TransportId>) {
        self.running.spawn(attempt(self.dialer.clone(), addr, limit, instead_of));
    }

    /// The next that is over; waits for ever while there is none.
    pub(super) async fn next_over(&mut self) -> Attempted {
        loop {
            match self.running.join_next().await {
                Some(Ok(attempted)) => {
                    self.learn(&attempted);
                    return attempted;
                }
                // It was given up.
                Some(Err(_)) => {}
                None => pending().await,
            }
        }
    }

    fn learn(&mut self, attempted: &Attempted) {
        if let (Outcome::Live, Some((peer, after))) = (&attempted.outcome, attempted.connected) {
            self.gateway = Some(peer);
            self.answered_after = Some(attempted.took);
            self.trial_ends = Instant::now() + LEAST_TRIAL.max(after.saturating_mul(2));
        }
    }

    /// When attempts beside the one that was answered are of no use any more.
    pub(super) fn trial_ends(&self) -> Instant {
        self.trial_ends
    }

    pub(super) fn is_trial_over(&self) -> bool {
        self.trial_ends <= Instant::now()
    }

    pub(super) fn give_up_all(&mut self) {
        self.running = JoinSet::new();
    }
}

async fn attempt(
    dialer: Dialer<TcpStream>,
    addr: String,
    limit: TimeLimit,
    instead_of: Option<TransportId>,
) -> Attempted {
    let began = Instant::now();
    let mut connected = None;
    let tried = async {
        let transport = tcp(addr, &limit).await?;
        connected = transport.peer_addr().ok().map(|peer| (peer, began.elapsed()));
        let attempt = dialer.attempt(transport, instead_of).await;
        limit.wait(ConnectStep::Session, attempt.settled()).await
    };
    let outcome = match tried.await {
        Ok(Settled::Live) => Outcome::Live,
        Ok(Settled::Lost(wanted)) => Outcome::Lost(wanted),
        Ok(Settled::Over) => Outcome::Over,
        Err(error) => Outcome::Unanswered(error),
    };
    Attempted { outcome, connected, took: began.elapsed() }
}
