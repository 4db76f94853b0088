//! Attempts to give a session a transport.
//!
//! A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
//! gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins.
//!
//! A gateway that is slow to answer must not be asked again and again by everybody. So the delays depend on how long it took
//! to answer last time; each is twice as long as the one before, and there are no more than a few attempts at a time.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use fastway_session::{Dialer, InsteadOf, Settled, Wanted};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::backoff::up_to_half_longer;
use crate::tcp::{TimeLimit, tcp};
use crate::{Backoff, ConnectError, ConnectStep};

/// Attempts at a time.
const MOST: usize = 3;
/// Without a TCP connection: the longest delay between an attempt and the first one beside it, of which the real one is drawn
/// from the upper half; and the same in times of an answered attempt, where that is longer. A crowd that comes back at once is
/// answered within a second or two, and should not have asked twice by then.
const FIRST_UNCONNECTED: Duration = Duration::from_secs(1);
const FIRST_UNCONNECTED_AGAIN: Duration = Duration::from_millis(500);
const ANSWERS_UNCONNECTED: u32 = 3;
/// With a TCP connection: the shortest such delay, which the real one is up to half longer than. Where an attempt was answered
/// before it is so many times as long as that took, and this at least.
const FIRST_CONNECTED: Duration = Duration::from_secs(1);
const FIRST_CONNECTED_AGAIN: Duration = Duration::from_millis(300);
const ANSWERS_CONNECTED: u32 = 2;
/// One attempt that takes twice as long as those before, and this, teaches no more than that.
const MOST_VARIANCE: Duration = Duration::from_millis(100);
/// Least time for which attempts stay beside one that was answered; else two round trips, as connecting takes one.
const LEAST_TRIAL: Duration = Duration::from_millis(50);
/// Before an attempt was answered there is none beside it.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Those that are under way. Dropping it gives them up.
pub(super) struct Attempts {
    dialer: Dialer<TcpStream>,
    running: JoinSet<Attempted>,
    /// The same in the order in which they began, and some that are over.
    begun: VecDeque<AbortHandle>,
    /// How many of them have a TCP connection.
    connections: watch::Sender<usize>,
    /// How long attempts took that were answered: the newer they are, the more they count.
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

    /// How long one with a TCP connection is alone at least, at first.
    pub(super) fn connected(&self) -> Duration {
        self.connected
    }

    /// When an attempt that begins now gets the next one beside it.
    pub(super) fn next_due(&mut self) -> Due {
        let now = Instant::now();
        let (unconnected, connected) = (self.unconnected.next_delay(), up_to_half_longer(self.connected));
        self.connected = self.connected.saturating_mul(2).min(self.longest);
        Due { unconnected: now + unconnected, connected: now + connected }
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
        let (running, begun, connections) = (JoinSet::new(), VecDeque::new(), watch::Sender::default());
        let trial_ends = Instant::now() + FAR;
        Self { dialer, running, begun, connections, answered_after: None, gateway: None, trial_ends }
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
        *self.connections.borrow() > 0
    }

    /// Waits until the next one is due. One that gets its TCP connection, or loses it, changes when that is.
    pub(super) fn until(&self, due: Due) -> impl Future<Output = ()> + use<> {
        let mut connections = self.connections.subscribe();
        async move {
            loop {
                let at = if *connections.borrow_and_update() > 0 { due.connected } else { due.unconnected };
                match timeout_at(at, connections.changed()).await {
                    Ok(Ok(())) => {}
                    // They were given up, and this is of no use any more.
                    Ok(Err(_)) => pending().await,
                    Err(_) => return,
                }
            }
        }
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The delays before attempts beside others, for a session that has none so far.
    pub(super) fn delays(&self, longest: Duration) -> Delays {
        let (unconnected, connected) = match self.answered_after {
            None => (FIRST_UNCONNECTED, FIRST_CONNECTED),
            Some(took) => (
                FIRST_UNCONNECTED_AGAIN.max(took.saturating_mul(ANSWERS_UNCONNECTED)),
                FIRST_CONNECTED_AGAIN.max(took.saturating_mul(ANSWERS_CONNECTED)),
            ),
        };
        Delays { unconnected: Backoff::new(unconnected, longest), connected: connected.min(longest), longest }
    }

    /// Begins one to `addr`.
    pub(super) fn begin(&mut self, addr: String, limit: TimeLimit, instead_of: InsteadOf) {
        self.trial_ends = Instant::now() + FAR;
        let attempt = attempt(self.dialer.clone(), addr, limit, instead_of, self.connections.clone());
        self.begun.push_back(self.running.spawn(attempt));
    }

    /// Gives the oldest up if there may not be another one beside it.
    pub(super) fn make_room(&mut self) {
        self.begun.retain(|attempt| !attempt.is_finished());
        while self.begun.len() >= MOST
            && let Some(oldest) = self.begun.pop_front()
        {
            oldest.abort();
        }
    }

    /// The next that is over; waits for ever while there is none.
    pub(super) async fn next_over(&mut self) -> Attempted {
        loop {
            match self.running.join_next().await {
                Some(Ok(attempted)) => {
                    self.learn(&attempted);
                    return attempted;
                }
                Some(Err(given_up)) if given_up.is_cancelled() => {}
                Some(Err(_panicked)) => {
                    let outcome = Outcome::Lost(Wanted { fault: None, retry_after: None });
                    return Attempted { outcome, connected: None, took: Duration::ZERO };
                }
                None => pending().await,
            }
        }
    }

    fn learn(&mut self, attempted: &Attempted) {
        if let (Outcome::Carries, Some((peer, after))) = (&attempted.outcome, attempted.connected) {
            self.gateway = Some(peer);
            let known = self.answered_after.unwrap_or(attempted.took);
            // A packet that was lost is no sign of a slow gateway.
            self.answered_after = Some((known + attempted.took.min(2 * known + MOST_VARIANCE)) / 2);
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
        (self.running, self.connections) = (JoinSet::new(), watch::Sender::default());
        self.begun.clear();
    }
}

/// An attempt's TCP connection, which counts until this is dropped.
struct Connection(watch::Sender<usize>);

impl Connection {
    fn counted(connections: watch::Sender<usize>) -> Self {
        connections.send_modify(|count| *count += 1);
        Self(connections)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn attempt(
    dialer: Dialer<TcpStream>,
    addr: String,
    limit: TimeLimit,
    instead_of: InsteadOf,
    connections: watch::Sender<usize>,
) -> Attempted {
    let began = Instant::now();
    let mut connected = None;
    let tried = async {
        let transport = tcp(addr, &limit).await?;
        connected = transport.peer_addr().ok().map(|peer| (peer, began.elapsed()));
        let _counts = Connection::counted(connections);
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
    use std::pin::pin;

    use tokio::time::timeout;

    use super::*;
    use crate::session::testing::{LONG, answer_open, port, session};

    #[tokio::test]
    async fn an_attempt_that_was_not_needed_teaches_nothing() {
        let ((gateway, addr), (_other, other_addr)) = (port().await, port().await);
        let (supplier, _stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let (over, _transport) = tokio::join!(attempts.next_over(), answer_open(&gateway));
        assert!(matches!(over.outcome, Outcome::Carries), "{:?}", over.outcome);

        attempts.begin(other_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let over = attempts.next_over().await;
        assert!(matches!(over.outcome, Outcome::NotNeeded), "{:?}", over.outcome);
        assert_eq!(attempts.gateway(), Some(addr));
    }

    #[tokio::test]
    async fn delays_double_and_depend_on_how_long_the_last_answer_took() {
        let (supplier, _stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        for (took, unconnected, connected) in [(None, 1000, 1000), (Some(10), 500, 300), (Some(1000), 3000, 2000)] {
            attempts.answered_after = took.map(Duration::from_millis);
            let mut delays = attempts.delays(LONG);
            for growth in [1, 2, 4] {
                let (before, due, after) = (Instant::now(), delays.next_due(), Instant::now());
                let [unconnected, connected] = [unconnected, connected].map(|ms| growth * Duration::from_millis(ms));
                assert!(due.unconnected >= before + unconnected / 2 && due.unconnected <= after + unconnected);
                assert!(due.connected >= before + connected && due.connected <= after + connected.mul_f64(1.5));
            }
        }
    }

    #[tokio::test]
    async fn an_attempt_that_gets_its_tcp_connection_changes_when_the_next_one_is_due() {
        let (_gateway, addr) = port().await;
        let (supplier, _stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        let (now, later) = (Instant::now(), Instant::now() + LONG);
        attempts.until(Due { unconnected: now, connected: later }).await;
        let mut due = pin!(attempts.until(Due { unconnected: later, connected: now }));
        assert!(timeout(Duration::from_millis(10), &mut due).await.is_err());
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        due.await;
        assert!(attempts.has_connection());

        attempts.give_up_all();
        attempts.until(Due { unconnected: now, connected: later }).await;
        assert!(attempts.has_room() && attempts.is_empty());
    }
}
