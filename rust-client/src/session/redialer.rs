//! Gives a session new transports for as long as it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastway_session::{Fault, InsteadOf, Status, Supplier, TransportId, Wanted};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::attempts::{Attempted, Attempts, Next, Outcome};
use super::confirmation::Confirmation;
use super::delays::{Delays, Due};
use super::pauses::{Failure, Pauses};
use crate::ConnectError;
use crate::tcp::TimeLimit;

/// How long the name is left alone after a gateway at another address has refused the session. Four refusals are believed, so a
/// gateway that is silent has three times this before the others speak for it.
const NAME_PAUSE: Duration = Duration::from_secs(5);

/// The task that comes back to the gateway.
pub(super) struct Redialer {
    /// As it was given.
    pub(super) addr: String,
    pub(super) supplier: Supplier<TcpStream>,
    pub(super) attempts: Attempts,
    pub(super) shared: Arc<Shared>,
    pub(super) pauses: Pauses,
    pub(super) confirmation: Confirmation,
    pub(super) attempt_timeout: Duration,
}

/// Why a new transport is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There is none.
    Lost,
    /// Somebody thinks that the present one is of no use.
    Asked,
    /// The gateway has not confirmed the present one in time.
    Unconfirmed(TransportId),
}

/// A way back to the gateway, from the need to a transport.
struct Way {
    /// When the next attempt is due.
    due: Due,
    /// Until an attempt gets another one beside it.
    delays: Delays,
    /// The gateway has refused one, and is not to be asked before.
    not_before: Instant,
    /// The newest attempt went to the gateway's address, and none has got a TCP connection since.
    is_unconnected: bool,
    /// Another gateway has refused one, and the name is not to be asked before.
    name_not_before: Instant,
    /// The transport that is thought to be of no use.
    instead_of: InsteadOf,
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
            if let Some(live) = self.supplier.live_transport() {
                let delays = self.attempts.delays(self.attempt_timeout);
                self.confirmation.expect(live, delays.connected());
            }
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
                live = self.confirmation.late() => {
                    if !self.supplier.is_confirmed(live) && self.shared.is_listening() {
                        return Ok(Need::Unconfirmed(live));
                    }
                }
                _ = timeout_at(self.attempts.trial_ends(), self.attempts.next(None)), if !self.attempts.is_empty() => {}
            }
        }
    }

    /// Tries until the session goes on, or is over.
    async fn come_back(&mut self, need: Need) -> Result<(), Over> {
        let mut way = self.set_out(need);
        loop {
            tokio::select! {
                next = self.attempts.next(Some(way.due)) => match next {
                    Next::Due if self.is_back(&way) => return Ok(()),
                    Next::Due => self.attempt(&mut way),
                    Next::Over(attempted) => {
                        if self.has_brought_back(&attempted, &mut way)? {
                            return Ok(());
                        }
                    }
                },
                is_lost = self.supplier.lost(), if way.instead_of != InsteadOf::Nothing => {
                    if !is_lost {
                        return Err(Over);
                    }
                    way.instead_of = InsteadOf::Nothing;
                    self.interrupted();
                }
                () = self.shared.asked.notified() => way = self.set_out(Need::Asked),
            }
        }
    }

    /// Whether an attempt that is over has brought the session back, or another one has meanwhile.
    fn has_brought_back(&mut self, attempted: &Attempted, way: &mut Way) -> Result<bool, Over> {
        match attempted.outcome {
            Outcome::Carries | Outcome::NotNeeded if self.is_back(way) => {
                // Where another transport was to take the place of an older one, that was given up for this one, unless the
                // gateway has confirmed it meanwhile.
                if !self.goes_on_by_the_older(way) {
                    self.interrupted();
                }
                return Ok(true);
            }
            // The one that carried the session meanwhile is lost as well.
            Outcome::NotNeeded if self.attempts.is_empty() => {
                self.interrupted();
                way.due = Due::At(Instant::now() + self.pauses.next());
            }
            Outcome::NotNeeded => {}
            Outcome::Over => return Err(Over),
            Outcome::Carries | Outcome::Unanswered(_) | Outcome::Lost(_) => self.failed(attempted, way),
        }
        Ok(false)
    }

    /// Whether a transport carries the session that need not be replaced.
    fn is_back(&self, way: &Way) -> bool {
        let Some(live) = self.supplier.live_transport() else { return false };
        match way.instead_of {
            InsteadOf::Nothing => true,
            InsteadOf::Transport(older) => live != older,
            InsteadOf::Unconfirmed(older) => live != older || self.supplier.is_confirmed(older),
        }
    }

    fn goes_on_by_the_older(&self, way: &Way) -> bool {
        matches!(way.instead_of, InsteadOf::Unconfirmed(older) if self.supplier.live_transport() == Some(older))
    }

    fn set_out(&mut self, need: Need) -> Way {
        let now = Instant::now();
        let (pause, instead_of) = match need {
            Need::Lost => {
                self.interrupted();
                (self.pauses.next(), InsteadOf::Nothing)
            }
            Need::Asked => {
                // What they come to says nothing of the network as it is now.
                self.attempts.give_up_all();
                self.pauses.reset();
                self.confirmation.reset();
                let live = self.supplier.live_transport();
                (Duration::ZERO, live.map_or(InsteadOf::Nothing, InsteadOf::Transport))
            }
            Need::Unconfirmed(live) => (Duration::ZERO, InsteadOf::Unconfirmed(live)),
        };
        let delays = self.attempts.delays(self.attempt_timeout);
        let due = Due::At(now + pause);
        Way { due, delays, not_before: now, is_unconnected: false, name_not_before: now, instead_of }
    }

    /// Goes to the address where the session is, or to the name.
    fn attempt(&mut self, way: &mut Way) {
        let gateway = self.attempts.gateway().filter(|_| !self.may_have_moved(way));
        let addr = gateway.map_or_else(|| self.addr.clone(), |gateway| gateway.to_string());
        // The newest resume has the place of the oldest at the gateway, too.
        self.attempts.make_room();
        self.attempts.begin(addr, TimeLimit::begin(self.attempt_timeout), way.instead_of);
        way.is_unconnected = gateway.is_some();
        way.due = way.delays.next_due();
    }

    /// Whether the name is to be asked, since it may have other addresses in this network. Behind it there may be other
    /// gateways as well, whose refusals would end the session. So it has its turn only where there is no TCP connection.
    fn may_have_moved(&self, way: &Way) -> bool {
        way.is_unconnected && !self.attempts.has_connection() && way.name_not_before <= Instant::now()
    }

    /// Sees to the pause after an attempt that came to nothing.
    fn failed(&mut self, attempted: &Attempted, way: &mut Way) {
        tracing::debug!(outcome = ?attempted.outcome, "no transport for the session");
        way.is_unconnected &= attempted.peer().is_none();
        let failure = match &attempted.outcome {
            Outcome::Unanswered(error) => Failure::of_connect(error),
            Outcome::Lost(Wanted { fault: Some(Fault::Refused(Status::StaleAttempt)), .. })
                if !self.attempts.is_empty() =>
            {
                // A newer one has overtaken it.
                return;
            }
            Outcome::Lost(Wanted { fault: Some(Fault::Refused(_)), .. }) if self.is_elsewhere(attempted.peer()) => {
                // Whatever it says, it does not say it of the gateway that has the session.
                way.name_not_before = Instant::now() + NAME_PAUSE;
                Failure::Elsewhere
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
        match (&attempted.outcome, failure) {
            // It is there, and slow.
            (_, Failure::Overloaded { .. }) => way.delays = Delays::slowest(self.attempt_timeout),
            (Outcome::Unanswered(ConnectError::TimedOut { .. }), _) => {}
            // The delays grow while nothing is answered. This was no silence.
            _ => way.delays = self.attempts.delays(self.attempt_timeout),
        }
        way.due = Due::At(after_pause.max(way.not_before));
    }

    fn is_elsewhere(&self, peer: Option<SocketAddr>) -> bool {
        self.attempts.gateway().is_some_and(|gateway| peer.is_some_and(|peer| peer != gateway))
    }

    /// The transport is gone. If the gateway had confirmed it, nothing says that the next one fails, too.
    fn interrupted(&mut self) {
        let Some(lived) = self.shared.interrupted() else { return };
        self.pauses.after_link(lived);
        let last = self.confirmation.transport();
        if last.is_some_and(|last| self.supplier.is_confirmed(last)) {
            self.confirmation.reset();
            self.pauses.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backoff;
    use crate::session::testing::{LONG, answer_open, port, refuse_all, session};
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    /// More attempts than are believed, with an attempt's time as [`redialer`] has it.
    const MANY_ATTEMPTS: Duration = Duration::from_secs(3);

    /// Brings transports to a session that is open at this port. The name it was given is `addr`.
    async fn redialer(addr: SocketAddr, port: &TcpListener) -> (Redialer, TcpStream, JoinSet<()>) {
        let (supplier, stream) = session();
        let mut attempts = Attempts::new(supplier.dialer());
        attempts.begin(port.local_addr().unwrap().to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        let (_, transport) = tokio::join!(attempts.next(None), answer_open(port));
        let pauses = Pauses::new(Backoff::new(Duration::from_millis(10), Duration::from_millis(10)));
        let (shared, confirmation) = (Arc::new(Shared::new()), Confirmation::within(Some(LONG)));
        let (addr, attempt_timeout) = (addr.to_string(), Duration::from_millis(200));
        let redialer = Redialer { addr, supplier, attempts, shared, pauses, confirmation, attempt_timeout };
        (redialer, transport, stream)
    }

    /// Sends something by the transport, as a gateway does that goes on by it.
    async fn confirm(transport: &mut TcpStream, supplier: &Supplier<TcpStream>, live: TransportId) {
        transport.write_all(b"hi").await.unwrap();
        while !supplier.is_confirmed(live) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn pauses_grow_until_a_transport_was_confirmed() {
        let (gateway, addr) = port().await;
        let (mut redialer, mut transport, _stream) = redialer(addr, &gateway).await;
        redialer.pauses = Pauses::new(Backoff::new(Duration::from_millis(10), Duration::from_secs(10)));
        let live = redialer.supplier.live_transport().unwrap();
        for _ in 0..10 {
            redialer.confirmation.expect(live, LONG);
            redialer.interrupted();
            redialer.pauses.next();
            redialer.shared.resumed();
        }
        assert!(redialer.pauses.next() >= Duration::from_secs(5));

        confirm(&mut transport, &redialer.supplier, live).await;
        redialer.interrupted();
        assert!(redialer.pauses.next() <= Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_transport_that_is_confirmed_late_goes_on_and_nothing_was_interrupted() {
        let (gateway, addr) = port().await;
        let (mut redialer, mut transport, _stream) = redialer(addr, &gateway).await;
        let live = redialer.supplier.live_transport().unwrap();
        let mut events = redialer.shared.subscribe();
        confirm(&mut transport, &redialer.supplier, live).await;
        assert!(redialer.come_back(Need::Unconfirmed(live)).await.is_ok());
        redialer.shared.over(None);
        assert!(events.next().await.is_none());
        assert_eq!(redialer.supplier.live_transport(), Some(live));
    }

    #[tokio::test]
    async fn a_new_transport_is_asked_for_though_as_many_attempts_as_may_be_are_under_way() {
        let (gateway, addr) = port().await;
        let (mut redialer, transport, _stream) = redialer(addr, &gateway).await;
        drop(transport);
        assert!(redialer.supplier.lost().await);
        redialer.attempt_timeout = LONG;
        let mut silent = Vec::new();
        while redialer.attempts.has_room() {
            redialer.attempts.begin(addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
            silent.push(gateway.accept().await.unwrap());
        }
        redialer.shared.reconnect_now();
        let next = timeout(LONG, gateway.accept());
        tokio::select! {
            _ = redialer.come_back(Need::Lost) => panic!("nobody has answered"),
            next = next => drop(next.unwrap().unwrap()),
        }
    }

    #[tokio::test]
    async fn a_new_transport_that_was_asked_for_is_another_one_than_before() {
        let ((gateway, addr), (_other, other_addr)) = (port().await, port().await);
        let (mut redialer, _transport, _stream) = redialer(addr, &gateway).await;
        // One is left over from the last time; where the session is carried it is not needed.
        redialer.attempts.begin(other_addr.to_string(), TimeLimit::begin(LONG), InsteadOf::Nothing);
        redialer.attempt_timeout = LONG;
        let back = timeout(Duration::from_millis(300), redialer.come_back(Need::Asked)).await;
        assert!(back.is_err(), "{:?}", redialer.supplier.live_transport());
    }

    #[tokio::test]
    async fn another_gateway_of_the_name_is_not_asked_while_the_own_one_takes_connections() {
        let ((gateway, _), (other, name)) = (port().await, port().await);
        let (mut redialer, transport, _stream) = redialer(name, &gateway).await;
        let _other = JoinSet::from_iter([refuse_all(other)]);
        drop(transport);
        assert!(redialer.supplier.lost().await);
        let silent = async {
            let mut held = Vec::new();
            while held.len() < 6 {
                held.push(gateway.accept().await.unwrap());
            }
        };
        tokio::select! {
            _ = redialer.come_back(Need::Lost) => panic!("{:?}", redialer.supplier.end()),
            came = timeout(LONG, silent) => came.unwrap(),
        }
    }

    #[tokio::test]
    async fn another_gateway_of_the_name_does_not_end_the_session_while_the_own_one_cannot_be_reached() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let gateway = socket.listen(0).unwrap();
        let (other, name) = port().await;
        let (mut redialer, transport, _stream) = redialer(name, &gateway).await;
        let _other = JoinSet::from_iter([refuse_all(other)]);
        // From here on no connection gets through to it.
        let mut waiting = Vec::new();
        let addr = gateway.local_addr().unwrap();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            waiting.push(stream.unwrap());
        }
        drop(transport);
        assert!(redialer.supplier.lost().await);
        let back = timeout(MANY_ATTEMPTS, redialer.come_back(Need::Lost)).await;
        assert!(back.is_err(), "{:?}", redialer.supplier.end());
    }
}
