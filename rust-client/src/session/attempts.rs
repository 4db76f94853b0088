//! Attempts to give a session a transport.
//!
//! A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
//! gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins.
//!
//! A gateway that is slow to answer must not be asked again and again by everybody. So the delay is longer where an attempt
//! has a TCP connection, since the gateway may be at work on it; each delay is twice as long as the one before, and there are
//! no more than a few attempts at a time.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fastway_session::{Dialer, Settled, TransportId, Wanted};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backoff::up_to_half_longer;
use crate::tcp::{TimeLimit, tcp};
use crate::{Backoff, ConnectError, ConnectStep};

/// Attempts at a time.
const MOST: usize = 3;
/// Without a TCP connection: the longest delay between an attempt and the first one beside it, of which the real one is drawn
/// from the upper half; and the same in times of an answered attempt, where that is longer. A crowd that comes back at once is
/// answered within a second or two, and should not have asked twice by then.
const FIRST_UNCONNECTED: Duration = Duration::from_secs(1);
const ANSWERS_UNCONNECTED: u32 = 3;
/// With a TCP connection: the shortest such delay, which the real one is up to half longer than; and the same in times of an
/// answered attempt, where that is longer.
const FIRST_CONNECTED: Duration = Duration::from_secs(1);
const ANSWERS_CONNECTED: u32 = 2;
/// Least time for which attempts stay beside one that was answered; else two round trips, as connecting takes one.
const LEAST_TRIAL: Duration = Duration::from_millis(50);
/// Before an attempt was answered there is none beside it.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Those that are under way. Dropping it gives them up.
pub(super) struct Attempts {
    dialer: Dialer<TcpStream>,
    running: JoinSet<Attempted>,
    /// Has one more owner for each that is under way and has a TCP connection.
    connections: Arc<()>,
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
    /// Where its TCP connection went to, if it got one, and how long connecting took.
    connected: Option<(SocketAddr, Duration)>,
    took: Duration,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its transport carries the session.
    Carries,
    /// Another one's transport carries the session.
    NotNeeded,
    /// There was no connection, or no answer in time.
    Unanswered(ConnectError),
    /// The transport was refused or lost.
    Lost(Wanted),
    /// The session is over.
    Over,
}

/// How long an attempt is alone before it gets another one beside it.
pub(super) struct Delays {
    unconnected: Backoff,
    connected: Duration,
    longest: Duration,
}

/// When the next attempt is due.
#[derive(Clone, Copy)]
pub(super) struct Due {
    /// While none that is under way has a TCP connection.
    unconnected: Instant,
    /// While one has.
    connected: Instant,
}

impl Delays {
    /// As long as they get.
    pub(super) fn slowest(longest: Duration) -> Self {
        Self { unconnected: Backoff::new(longest, longest), connected: longest, longest }
    }

    /// When an attempt that begins now gets the next one beside it.
    pub(super) fn next_due(&mut self) -> Due {
        let now = Instant::now();
        let (unconnected, connected) = (self.unconnected.next_delay(), up_to_half_longer(self.connected));
        self.connected = self.connected.saturating_mul(2).min(self.longest);
        Due { unconnected: now + unconnected, connected: now + unconnected.max(connected) }
    }
}

impl Attempted {
    /// Where its TCP connection went to, if it got one.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connected.map(|(peer, _)| peer)
    }
}

impl Due {
    /// Whatever is under way.
    pub(super) const fn at(time: Instant) -> Self {
        Self { unconnected: time, connected: time }
    }
}

impl Attempts {
    pub(super) fn new(dialer: Dialer<TcpStream>) -> Self {
        let (running, connections) = (JoinSet::new(), Arc::default());
        let trial_ends = Instant::now() + FAR;
        Self { dialer, running, connections, answered_after: None, gateway: None, trial_ends }
    }

    /// Where the session is.
    pub(super) fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// Whether there may be another one.
    pub(super) fn has_room(&self) -> bool {
        self.running.len() < MOST
    }

    /// Whether one that is under way has a TCP connection.
    pub(super) fn has_connection(&self) -> bool {
        Arc::strong_count(&self.connections) > 1
    }

    /// When the next one is due, as it looks now: one that gets its TCP connection puts that off.
    pub(super) fn due_at(&self, due: &Due) -> Instant {
        if self.has_connection() { due.connected } else { due.unconnected }
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The delays before attempts beside others, for a session that has none so far.
    pub(super) fn delays(&self, longest: Duration) -> Delays {
        let took = self.answered_after.unwrap_or_default();
        let unconnected = FIRST_UNCONNECTED.max(took.saturating_mul(ANSWERS_UNCONNECTED));
        let connected = FIRST_CONNECTED.max(took.saturating_mul(ANSWERS_CONNECTED)).min(longest);
        Delays { unconnected: Backoff::new(unconnected, longest), connected, longest }
    }

    /// Begins one to `addr`.
    pub(super) fn begin(&mut self, addr: String, limit: TimeLimit, instead_of: Option<TransportId>) {
        self.trial_ends = Instant::now() + FAR;
        let connections = Arc::downgrade(&self.connections);
        self.running.spawn(attempt(self.dialer.clone(), addr, limit, instead_of, connections));
    }

    /// The next that is over; waits for ever while there is none.
    pub(super) async fn next_over(&mut self) -> Attempted {
        match self.running.join_next().await {
            Some(Ok(attempted)) => {
                self.learn(&attempted);
                attempted
            }
            // Its task was cut off. Whoever waits here has room for another one again, and has to look.
            Some(Err(_)) => {
                let outcome = Outcome::Lost(Wanted { fault: None, retry_after: None });
                Attempted { outcome, connected: None, took: Duration::ZERO }
            }
            None => pending().await,
        }
    }

    fn learn(&mut self, attempted: &Attempted) {
        if let (Outcome::Carries, Some((peer, after))) = (&attempted.outcome, attempted.connected) {
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

    /// None is under way any more, and there is room at once.
    pub(super) fn give_up_all(&mut self) {
        (self.running, self.connections) = (JoinSet::new(), Arc::default());
    }
}

async fn attempt(
    dialer: Dialer<TcpStream>,
    addr: String,
    limit: TimeLimit,
    instead_of: Option<TransportId>,
    connections: Weak<()>,
) -> Attempted {
    let began = Instant::now();
    let mut connected = None;
    let tried = async {
        let transport = tcp(addr, &limit).await?;
        connected = transport.peer_addr().ok().map(|peer| (peer, began.elapsed()));
        let _connected = connections.upgrade();
        let settled = async { dialer.attempt(transport, instead_of).await.settled().await };
        limit.wait(ConnectStep::Session, settled).await
    };
    let outcome = match tried.await {
        Ok(Settled::Carries) => Outcome::Carries,
        Ok(Settled::NotNeeded) => Outcome::NotNeeded,
        Ok(Settled::Lost(wanted)) => Outcome::Lost(wanted),
        Ok(Settled::Over) => Outcome::Over,
        Err(error) => Outcome::Unanswered(error),
    };
    Attempted { outcome, connected, took: began.elapsed() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{LONG, answer_open, port, session};

    #[tokio::test]
    async fn an_attempt_that_was_not_needed_teaches_nothing() {
        let ((gateway, addr), (_other, other_addr)) = (port().await, port().await);
        let (supplier, _stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), None);
        let (over, _transport) = tokio::join!(attempts.next_over(), answer_open(&gateway));
        assert!(matches!(over.outcome, Outcome::Carries), "{:?}", over.outcome);

        attempts.begin(other_addr.to_string(), TimeLimit::begin(LONG), None);
        let over = attempts.next_over().await;
        assert!(matches!(over.outcome, Outcome::NotNeeded), "{:?}", over.outcome);
        assert_eq!(attempts.gateway(), Some(addr));
    }

    #[tokio::test]
    async fn an_attempt_that_has_its_tcp_connection_puts_the_next_one_off() {
        let (_gateway, addr) = port().await;
        let (supplier, _stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        let mut delays = attempts.delays(LONG);
        for (unconnected, connected) in [(1000, 1000), (2000, 2000), (4000, 4000)] {
            let (before, due) = (Instant::now(), delays.next_due());
            assert!(due.unconnected <= Instant::now() + Duration::from_millis(unconnected));
            assert!(due.connected >= before + Duration::from_millis(connected));
        }

        let due = delays.next_due();
        assert_eq!(attempts.due_at(&due), due.unconnected);
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), None);
        while !attempts.has_connection() {
            tokio::task::yield_now().await;
        }
        assert_eq!(attempts.due_at(&due), due.connected);
        attempts.give_up_all();
        assert_eq!(attempts.due_at(&due), due.unconnected);
        assert!(attempts.has_room() && attempts.is_empty());
    }
}
