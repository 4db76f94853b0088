//! Attempts to give a session a transport, side by side (`docs/protocol.md` §3.4, 8 and 9).
//!
//! A network that drops packets answers nothing. So an attempt without an answer gets another one beside it, like
//! connections to several addresses (RFC 8305), and the first answered one carries the session.
//!
//! All clients of a slow gateway must not repeat their attempts at once. So the [`Delays`](super::delays::Delays)
//! depend on the time of its last answers, there are at most three attempts at a time, and attempts without a TCP
//! connection are given up when the first one gets it: the network works.

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
const MAX_ATTEMPTS: usize = 3;
/// If connecting took longer than the last delay, the next attempt waits for this many times as long.
const CONNECTS_AGAIN: u32 = 2;
/// Attempts beside the answered one are kept for at least this long, else for two round trips: connecting takes one,
/// the reply another.
const LEAST_TRIAL: Duration = Duration::from_millis(50);
/// The end of the trial while no attempt was answered.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// The attempts in progress. Dropping it ends them.
pub(super) struct Attempts {
    dialer: Dialer<TcpStream>,
    running: JoinSet<Attempted>,
    /// The running ones in the order in which they began.
    begun: VecDeque<Begun>,
    /// Notified when one of them has got its TCP connection.
    connected: Arc<Notify>,
    times: AnswerTimes,
    /// The address of the one that was answered last. A name can have several gateways, and only one has the session.
    gateway: Option<SocketAddr>,
    /// Until then the gateway may have replaced the answered attempt by a newer one, whose reply follows.
    trial_ends: Instant,
}

/// An attempt in progress.
struct Begun {
    at: Instant,
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

/// An ended attempt.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    connection: Option<Connection>,
}

/// The outcome of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its transport carries the session.
    Carries,
    /// Another transport carries the session.
    NotNeeded,
    /// There was no connection, or no answer in time.
    Unanswered(ConnectError),
    /// The transport was refused or lost.
    Lost(Wanted),
    /// The session has ended.
    Over,
}

/// The next event.
pub(super) enum Next {
    /// Another attempt is due.
    Due,
    /// An attempt has ended.
    Over(Attempted),
}

impl Attempted {
    /// The address of its TCP connection, if it got one.
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

    /// The address of the gateway that has the session.
    pub(super) fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// Whether there may be another attempt.
    pub(super) fn has_room(&self) -> bool {
        self.begun.len() < MAX_ATTEMPTS
    }

    /// Whether one of them has a TCP connection.
    pub(super) fn has_connection(&self) -> bool {
        self.newest_connection().is_some()
    }

    fn newest_connection(&self) -> Option<Connection> {
        let connections = self.begun.iter().filter_map(|begun| begun.connection.get().copied());
        connections.max_by_key(|connection| connection.since)
    }

    /// Whether no attempt is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// Delays for a session without attempts so far.
    pub(super) fn delays(&self, longest: Duration) -> Delays {
        Delays::after(self.times, longest)
    }

    /// Begins an attempt to `addr`.
    pub(super) fn begin(&mut self, addr: String, limit: TimeLimit, instead_of: InsteadOf) {
        self.trial_ends = Instant::now() + FAR;

        let connection = Arc::default();
        let route = Route { addr, connection: Arc::clone(&connection), connected: Arc::clone(&self.connected) };
        let task = self.running.spawn(attempt(self.dialer.clone(), route, limit, instead_of));
        self.begun.push_back(Begun { at: Instant::now(), task, connection });
    }

    /// Ends the oldest attempts until there may be another one.
    pub(super) fn make_room(&mut self) {
        while !self.has_room()
            && let Some(oldest) = self.begun.pop_front()
        {
            oldest.task.abort();
        }
    }

    /// Waits until an attempt has ended, or until another one is `due`.
    pub(super) async fn next(&mut self, due: Option<Due>) -> Next {
        loop {
            let due = due.map(|due| self.due_at(due));
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return Next::Due,
                // A TCP connection changes the time at which the next attempt is due.
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
            // A reply takes at least as long as connecting did.
            (Due::Beside { began, connected, .. }, Some(Connection { since, after, .. })) => {
                began.max(since) + connected.max(after.saturating_mul(CONNECTS_AGAIN))
            }
        }
    }

    /// Ends attempts without a TCP connection: a late connect would replace the connected attempt. They stay if that
    /// one may have reached another gateway than the session's.
    fn give_up_unconnected(&mut self) {
        let Some(newest) = self.newest_connection() else { return };
        if self.gateway.is_some_and(|gateway| gateway != newest.peer) {
            return;
        }
        self.begun.retain(|begun| {
            // An attempt that began since has had no time to connect.
            let stays = begun.connection.get().is_some() || begun.at > newest.since;
            if !stays {
                begun.task.abort();
            }
            stays
        });
    }

    fn learn(&mut self, attempted: &Attempted) {
        if let (Outcome::Carries, Some(Connection { peer, since, after })) = (&attempted.outcome, attempted.connection)
        {
            let reply = since.elapsed();
            self.gateway = Some(peer);
            self.times.learn(after, reply);
            // A nearby proxy connects at once, however long the rest of the way takes.
            self.trial_ends = Instant::now() + LEAST_TRIAL.max(after.max(reply).saturating_mul(2));
        }
    }

    /// When attempts beside the answered one are no longer needed.
    pub(super) fn trial_ends(&self) -> Instant {
        self.trial_ends
    }

    pub(super) fn is_trial_over(&self) -> bool {
        self.trial_ends <= Instant::now()
    }

    /// Ends all attempts.
    pub(super) fn give_up_all(&mut self) {
        self.running = JoinSet::new();
        self.begun.clear();
    }
}

/// The next ended attempt; pending while there is none.
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

/// The target of an attempt, and where it reports its TCP connection.
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
    async fn an_attempt_that_begins_beside_one_with_a_tcp_connection_has_time_to_get_its_own() {
        let ((_gateway, addr), (full_addr, _full, _waiting)) = (port().await, full_port().await);
        let (supplier, _stream) = session();
        let mut attempts = attempts(&supplier);
        attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        while !attempts.has_connection() {
            tokio::task::yield_now().await;
        }
        attempts.begin(full_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        assert!(timeout(Duration::from_millis(10), attempts.next(None)).await.is_err());
        assert_eq!(attempts.begun.len(), 2);
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
