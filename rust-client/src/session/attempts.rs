//! Attempts to give a session a transport.
//!
//! A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
//! gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins.
//!
//! A gateway that is slow to answer must not be asked again and again by everybody. So the [`Delays`](super::delays::Delays)
//! depend on how long it took to answer before, there are no more than a few attempts at a time, and those that have no TCP
//! connection are given up for the first that gets one: the network is there.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fastway_session::{Dialer, InsteadOf, Settled, Wanted};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::delays::{AnswerTimes, Delays, Due};
use crate::tcp::{TimeLimit, tcp};
use crate::{ConnectError, ConnectStep};

/// Attempts at a time.
const MOST: usize = 3;
/// Where connecting took longer than the last delay, the next attempt waits for so many times as long behind it.
const CONNECTS_AGAIN: u32 = 2;
/// Least time for which attempts stay beside one that was answered; else two round trips, as connecting takes one.
const LEAST_TRIAL: Duration = Duration::from_millis(50);
/// Before an attempt was answered there is none beside it.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Those that are under way. Dropping it gives them up.
pub(super) struct Attempts {
    dialer: Dialer<TcpStream>,
    running: JoinSet<Attempted>,
    /// The same in the order in which they began, without those that were given up.
    begun: VecDeque<Begun>,
    /// One of them has got its TCP connection.
    connected: Arc<Notify>,
    times: AnswerTimes,
    /// The address of the one that was answered last: behind a name there may be several gateways, and only one knows the
    /// session.
    gateway: Option<SocketAddr>,
    /// Until then a newer attempt may turn out to have taken the place of the answered one at the gateway, which closes that.
    trial_ends: Instant,
}

/// An attempt whose outcome was not taken yet.
struct Begun {
    task: AbortHandle,
    connection: Arc<OnceLock<Connection>>,
}

/// A TCP connection of an attempt.
#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: SocketAddr,
    since: Instant,
    /// How long connecting took.
    after: Duration,
}

/// An attempt that is over.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    connection: Option<Connection>,
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

/// What happens next.
pub(super) enum Next {
    /// Another attempt is due.
    Due,
    /// An attempt is over.
    Over(Attempted),
}

impl Attempted {
    /// Where its TCP connection went to, if it got one.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection.map(|connection| connection.peer)
    }
}

impl Attempts {
    pub(super) fn new(dialer: Dialer<TcpStream>) -> Self {
        Self {
            dialer,
            running: JoinSet::new(),
            begun: VecDeque::new(),
            connected: Arc::default(),
            times: AnswerTimes::default(),
            gateway: None,
            trial_ends: Instant::now() + FAR,
        }
    }

    /// Where the session is.
    pub(super) fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// Whether there may be another one.
    pub(super) fn has_room(&self) -> bool {
        self.begun.len() < MOST
    }

    /// Whether one that is under way has a TCP connection.
    pub(super) fn has_connection(&self) -> bool {
        self.newest_connection().is_some()
    }

    fn newest_connection(&self) -> Option<Connection> {
        let connections = self.begun.iter().filter_map(|begun| begun.connection.get().copied());
        connections.max_by_key(|connection| connection.since)
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// The delays before attempts beside others, for a session that has none so far.
    pub(super) fn delays(&self, longest: Duration) -> Delays {
        Delays::after(self.times, longest)
    }

    /// Begins one to `addr`.
    pub(super) fn begin(&mut self, addr: String, limit: TimeLimit, instead_of: InsteadOf) {
        self.trial_ends = Instant::now() + FAR;
        let connection = Arc::default();
        let route = Route { addr, connection: Arc::clone(&connection), connected: Arc::clone(&self.connected) };
        let task = self.running.spawn(attempt(self.dialer.clone(), route, limit, instead_of));
        self.begun.push_back(Begun { task, connection });
    }

    /// Gives the oldest up if there may not be another one beside it.
    pub(super) fn make_room(&mut self) {
        while !self.has_room()
            && let Some(oldest) = self.begun.pop_front()
        {
            oldest.task.abort();
        }
    }

    /// Waits until one is over, or another one is `due`, if any is.
    pub(super) async fn next(&mut self, due: Option<Due>) -> Next {
        loop {
            let due = due.map(|due| self.due_at(due));
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return Next::Due,
                // It changes when the next one is due.
                () = self.connected.notified() => self.give_up_unconnected(),
                over = next_over(&mut self.running, &mut self.begun) => {
                    self.learn(&over);
                    return Next::Over(over);
                }
            }
        }
    }

    fn due_at(&self, due: Due) -> Instant {
        match (due, self.newest_connection()) {
            (Due::At(time), _) => time,
            (Due::Beside { began, unconnected, .. }, None) => began + unconnected,
            // What it took to connect says how long a reply takes at least.
            (Due::Beside { began, connected, .. }, Some(Connection { since, after, .. })) => {
                began.max(since) + connected.max(after.saturating_mul(CONNECTS_AGAIN))
            }
        }
    }

    /// Whoever connects late would take the place of the one that is connected. But that one may have been led to another
    /// gateway than the one that has the session.
    fn give_up_unconnected(&mut self) {
        let newest = self.newest_connection();
        if newest.is_none_or(|newest| self.gateway.is_some_and(|gateway| gateway != newest.peer)) {
            return;
        }
        self.begun.retain(|begun| {
            let is_connected = begun.connection.get().is_some();
            if !is_connected {
                begun.task.abort();
            }
            is_connected
        });
    }

    fn learn(&mut self, attempted: &Attempted) {
        if let (Outcome::Carries, Some(Connection { peer, since, after })) = (&attempted.outcome, attempted.connection)
        {
            self.gateway = Some(peer);
            self.times.learn(after, since.elapsed());
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
        self.running = JoinSet::new();
        self.begun.clear();
    }
}

/// The next that is over; waits for ever while there is none.
async fn next_over(running: &mut JoinSet<Attempted>, begun: &mut VecDeque<Begun>) -> Attempted {
    loop {
        let (id, attempted) = match running.join_next_with_id().await {
            Some(Ok((id, attempted))) => (id, attempted),
            Some(Err(given_up)) if given_up.is_cancelled() => continue,
            Some(Err(panicked)) => {
                let outcome = Outcome::Lost(Wanted { fault: None, retry_after: None });
                (panicked.id(), Attempted { outcome, connection: None })
            }
            None => pending().await,
        };
        begun.retain(|begun| begun.task.id() != id);
        return attempted;
    }
}

/// Where an attempt goes, and whom it tells that it has got there.
struct Route {
    addr: String,
    connection: Arc<OnceLock<Connection>>,
    connected: Arc<Notify>,
}

async fn attempt(
    dialer: Dialer<TcpStream>,
    Route { addr, connection, connected }: Route,
    limit: TimeLimit,
    instead_of: InsteadOf,
) -> Attempted {
    let began = Instant::now();
    let tried = async {
        let transport = tcp(addr, &limit).await?;
        if let Ok(peer) = transport.peer_addr() {
            connection.get_or_init(|| Connection { peer, since: Instant::now(), after: began.elapsed() });
            connected.notify_one();
        }
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
    Attempted { outcome, connection: connection.get().copied() }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;
    use crate::session::testing::{LONG, answer_open, port, session};

    fn attempts(supplier: &fastway_session::Supplier<TcpStream>) -> Attempts {
        Attempts::new(supplier.dialer())
    }

    async fn over(attempts: &mut Attempts) -> Attempted {
        match attempts.next(None).await {
            Next::Over(over) => over,
            Next::Due => panic!("none is due"),
        }
    }

    /// A port to which no connection gets through, and what keeps it so.
    async fn full_port() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (listener, mut waiting) = (socket.listen(0).unwrap(), Vec::new());
        let addr = listener.local_addr().unwrap();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            waiting.push(stream.unwrap());
        }
        (addr, listener, waiting)
    }

    #[tokio::test]
    async fn an_attempt_that_was_not_needed_teaches_nothing() {
        let ((gateway, addr), (_other, other_addr)) = (port().await, port().await);
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let (first, _transport) = tokio::join!(over(&mut attempts), answer_open(&gateway));
        assert!(matches!(first.outcome, Outcome::Carries), "{:?}", first.outcome);

        attempts.begin(other_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let second = over(&mut attempts).await;
        assert!(matches!(second.outcome, Outcome::NotNeeded), "{:?}", second.outcome);
        assert_eq!(attempts.gateway(), Some(addr));
    }

    #[tokio::test]
    async fn an_attempt_that_gets_its_tcp_connection_changes_when_the_next_one_is_due() {
        let (_gateway, addr) = port().await;
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        let began = Instant::now();
        let soon_unconnected = Due::Beside { began, unconnected: Duration::ZERO, connected: LONG };
        assert!(matches!(attempts.next(Some(soon_unconnected)).await, Next::Due));

        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let soon_connected = Due::Beside { began, unconnected: LONG, connected: Duration::ZERO };
        assert!(matches!(attempts.next(Some(soon_connected)).await, Next::Due));
        assert!(attempts.has_connection());
        assert!(timeout(Duration::from_millis(10), attempts.next(Some(soon_unconnected))).await.is_err());

        attempts.give_up_all();
        assert!(matches!(attempts.next(Some(soon_unconnected)).await, Next::Due));
        assert!(attempts.has_room() && attempts.is_empty());
    }

    #[tokio::test]
    async fn attempts_without_a_tcp_connection_are_given_up_for_the_first_that_gets_one() {
        let ((gateway, addr), (full_addr, _full, _waiting)) = (port().await, full_port().await);
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        attempts.begin(full_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let (first, _transport) = tokio::join!(over(&mut attempts), answer_open(&gateway));
        assert!(matches!(first.outcome, Outcome::Carries), "{:?}", first.outcome);
        assert!(attempts.is_empty());
    }

    #[tokio::test]
    async fn an_attempt_that_is_led_to_another_gateway_gives_up_no_other() {
        let ((_other, addr), (full_addr, _full, _waiting)) = (port().await, full_port().await);
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        attempts.gateway = Some(full_addr);
        attempts.begin(full_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let due = Due::Beside { began: Instant::now(), unconnected: LONG, connected: Duration::ZERO };
        assert!(matches!(attempts.next(Some(due)).await, Next::Due));
        assert_eq!((attempts.begun.len(), attempts.has_connection()), (2, true));
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let (_gateway, addr) = port().await;
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        while attempts.has_room() {
            attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        }
        let oldest = attempts.begun[0].task.clone();
        attempts.make_room();
        assert!(attempts.has_room());
        while !oldest.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}
