//! The task that brings a session back to the gateway on new transports (`docs/protocol.md` §3.4).

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

/// How long the name is not dialed after a gateway at another address has refused the session. Four refusals end a
/// session, so a silent gateway has three times this long before refusals of others do.
const NAME_PAUSE: Duration = Duration::from_secs(5);

/// The task that gives a session its transports.
pub(super) struct Redialer {
    /// The address as the application gave it.
    pub(super) addr: String,
    pub(super) supplier: Supplier<TcpStream>,
    pub(super) attempts: Attempts,
    pub(super) shared: Arc<Shared>,
    pub(super) pauses: Pauses,
    pub(super) confirmation: Confirmation,
    pub(super) attempt_timeout: Duration,
}

/// The reason for a new transport.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There is no transport.
    Lost,
    /// The application asked for another one.
    Asked,
    /// The gateway has been silent on the live one for too long.
    Silent,
    /// The gateway has not confirmed the live one in time.
    Unconfirmed(TransportId),
}

/// A recovery: the state from the need to a live transport.
struct Recovery {
    /// When the next attempt is due.
    due: Due,
    /// How long an attempt runs before another one begins beside it.
    delays: Delays,
    /// The gateway has refused an attempt: no other one before this.
    not_before: Instant,
    /// The newest attempt went to the gateway's address, and none has got a TCP connection since.
    is_unconnected: bool,
    /// Another gateway has refused an attempt: the name is not dialed before this.
    name_not_before: Instant,
    /// The transport to replace.
    instead_of: InsteadOf,
}

/// The session has ended.
struct Over;

impl Redialer {
    /// Runs until the session has ended.
    pub(super) async fn run(mut self) {
        while let Ok(need) = self.wait_for_need().await
            && self.recover(need).await.is_ok()
        {
            self.shared.resumed();
            if let Some(live) = self.supplier.live_transport() {
                self.expect_confirmation(live);
            }
        }
    }

    fn expect_confirmation(&mut self, live: TransportId) {
        let delays = self.attempts.delays(self.attempt_timeout);
        self.confirmation.expect(live, delays.connected());
        // Bytes from before count for the older transport.
        self.shared.take_heard();
    }

    /// Waits until the session needs a transport.
    async fn wait_for_need(&mut self) -> Result<Need, Over> {
        loop {
            // Attempts that began beside the answered one are no longer needed.
            if self.attempts.is_trial_over() {
                self.attempts.give_up_all();
            }

            tokio::select! {
                is_lost = self.supplier.lost() => return if is_lost { Ok(Need::Lost) } else { Err(Over) },
                () = self.shared.asked.notified() => return Ok(Need::Asked),
                () = self.shared.silent.notified() => return Ok(Need::Silent),
                live = self.confirmation.late() => {
                    if !self.supplier.is_confirmed(live) && self.shared.is_listening() {
                        if !self.shared.take_heard() {
                            return Ok(Need::Unconfirmed(live));
                        }
                        // The confirmation is behind the data that is arriving.
                        self.expect_confirmation(live);
                    }
                }
                _ = timeout_at(self.attempts.trial_ends(), self.attempts.next(None)), if !self.attempts.is_empty() => {}
            }
        }
    }

    /// Makes attempts until a transport carries the session, or the session has ended.
    async fn recover(&mut self, need: Need) -> Result<(), Over> {
        let mut recovery = self.begin(need);
        loop {
            tokio::select! {
                next = self.attempts.next(Some(recovery.due)) => match next {
                    Next::Due if self.is_recovered(&recovery) => {
                        self.finish(&recovery);
                        return Ok(());
                    }
                    Next::Due => self.attempt(&mut recovery),
                    Next::Over(attempted) => {
                        if self.ended(&attempted, &mut recovery)? {
                            return Ok(());
                        }
                    }
                },
                is_lost = self.supplier.lost(), if recovery.instead_of != InsteadOf::Nothing => {
                    if !is_lost {
                        return Err(Over);
                    }
                    recovery.instead_of = InsteadOf::Nothing;
                    self.interrupted();
                }
                () = self.shared.asked.notified() => recovery = self.begin(Need::Asked),
                () = self.shared.silent.notified() => recovery = self.begin(Need::Silent),
            }
        }
    }

    /// Handles the end of an attempt. Returns whether a transport carries the session.
    fn ended(&mut self, attempted: &Attempted, recovery: &mut Recovery) -> Result<bool, Over> {
        match attempted.outcome {
            Outcome::Carries | Outcome::NotNeeded if self.is_recovered(recovery) => {
                self.finish(recovery);
                return Ok(true);
            }
            // Another attempt was better, but its transport is lost as well.
            Outcome::NotNeeded if self.attempts.is_empty() => {
                self.interrupted();
                recovery.due = Due::At(Instant::now() + self.pauses.next());
            }
            Outcome::NotNeeded => {}
            Outcome::Over => return Err(Over),
            Outcome::Carries | Outcome::Unanswered(_) | Outcome::Lost(_) => self.failed(attempted, recovery),
        }
        Ok(false)
    }

    /// Whether a transport carries the session that need not be replaced.
    fn is_recovered(&self, recovery: &Recovery) -> bool {
        let Some(live) = self.supplier.live_transport() else { return false };
        match recovery.instead_of {
            InsteadOf::Nothing => true,
            InsteadOf::Transport(older) => live != older,
            InsteadOf::Unconfirmed(older) => live != older || self.supplier.is_confirmed(older),
        }
    }

    /// A transport carries the session. It has replaced an older one, unless it is the older one, confirmed in the
    /// meantime.
    fn finish(&mut self, recovery: &Recovery) {
        let live = self.supplier.live_transport();
        if !matches!(recovery.instead_of, InsteadOf::Unconfirmed(older) if live == Some(older)) {
            self.interrupted();
        }
    }

    /// Begins a recovery.
    fn begin(&mut self, need: Need) -> Recovery {
        let now = Instant::now();

        let (pause, instead_of) = match need {
            Need::Lost => {
                self.interrupted();
                (self.pauses.next(), InsteadOf::Nothing)
            }
            Need::Asked => {
                self.pauses.reset();
                self.confirmation.reset();
                (Duration::ZERO, self.give_up_all())
            }
            // A gateway that has no time to confirm transports must not be asked more often, so the delays go on
            // growing.
            Need::Silent => {
                self.reset_if_confirmed();
                (Duration::ZERO, self.give_up_all())
            }
            Need::Unconfirmed(live) => (Duration::ZERO, InsteadOf::Unconfirmed(live)),
        };

        let mut delays = self.attempts.delays(self.attempt_timeout);
        let due = match need {
            // An attempt newer than the lost one may have replaced it at the gateway. Another attempt would replace
            // that one just before its reply, and so on without end on a slow network.
            Need::Lost if !self.attempts.is_empty() => delays.next_due(),
            _ => Due::At(now + pause),
        };

        Recovery { due, delays, not_before: now, is_unconnected: false, name_not_before: now, instead_of }
    }

    /// Gives up attempts and the live transport.
    fn give_up_all(&mut self) -> InsteadOf {
        // Their outcome says nothing about the network as it is now.
        self.attempts.give_up_all();
        self.supplier.live_transport().map_or(InsteadOf::Nothing, InsteadOf::Transport)
    }

    /// Makes an attempt, to the address of the session's gateway or to the name.
    fn attempt(&mut self, recovery: &mut Recovery) {
        let gateway = self.attempts.gateway().filter(|_| !self.uses_name(recovery));
        let addr = gateway.map_or_else(|| self.addr.clone(), |gateway| gateway.to_string());
        // The newest resume replaces the oldest one at the gateway, too.

        // The newest resume has the place of the oldest at the gateway, too.
        self.attempts.make_room();
        self.attempts.begin(addr, TimeLimit::begin(self.attempt_timeout), recovery.instead_of);

        recovery.is_unconnected = gateway.is_some();
        recovery.due = recovery.delays.next_due();
    }

    /// Whether to dial the name, which may have other addresses in this network. Other gateways behind it would refuse
    /// the session, so the name is used only after an attempt without a TCP connection.
    fn uses_name(&self, recovery: &Recovery) -> bool {
        recovery.is_unconnected && !self.attempts.has_connection() && recovery.name_not_before <= Instant::now()
    }

    /// Sets the pause after a failed attempt.
    fn failed(&mut self, attempted: &Attempted, recovery: &mut Recovery) {
        tracing::debug!(outcome = ?attempted.outcome, "no transport for the session");
        recovery.is_unconnected &= attempted.peer().is_none();
        let Some(failure) = self.failure_of(attempted) else { return };
        if failure == Failure::OtherGateway {
            recovery.name_not_before = Instant::now() + NAME_PAUSE;
        }

        self.pauses.failed(failure);
        let after_pause = Instant::now() + self.pauses.next();
        if failure.is_refusal() {
            recovery.not_before = after_pause;
        }

        match (&attempted.outcome, failure) {
            // The gateway is present but slow.
            (_, Failure::Overloaded { .. }) => recovery.delays = Delays::slowest(self.attempt_timeout),
            (Outcome::Unanswered(ConnectError::TimedOut { .. }), _) => {}
            // The delays grow while the gateway is silent, and this was no silence.
            _ => recovery.delays = self.attempts.delays(self.attempt_timeout),
        }

        recovery.due = Due::At(after_pause.max(recovery.not_before));
    }

    /// The kind of a failure; `None` if a newer attempt has overtaken this one, which is no failure.
    fn failure_of(&self, attempted: &Attempted) -> Option<Failure> {
        let refusal = match &attempted.outcome {
            Outcome::Unanswered(error) => return Some(Failure::of_connect(error)),
            Outcome::Lost(Wanted { fault: Some(Fault::Refused(status)), retry_after }) => (*status, *retry_after),
            _ => return Some(Failure::Other),
        };

        match refusal {
            (Status::StaleAttempt, _) if !self.attempts.is_empty() => None,
            // This refusal says nothing about the gateway that has the session.
            _ if self.is_other_gateway(attempted.peer()) => Some(Failure::OtherGateway),
            (status, retry_after) => Some(Failure::of_refusal(status, retry_after)),
        }
    }

    fn is_other_gateway(&self, peer: Option<SocketAddr>) -> bool {
        self.attempts.gateway().is_some_and(|gateway| peer.is_some_and(|peer| peer != gateway))
    }

    /// The live transport is lost.
    fn interrupted(&mut self) {
        let Some(lived) = self.shared.interrupted() else { return };

        self.pauses.after_link(lived);
        self.reset_if_confirmed();
    }

    /// Starts pauses and confirmation times again if the gateway has confirmed the last transport: the next one is not
    /// expected to fail.
    fn reset_if_confirmed(&mut self) {
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
    async fn a_gateway_that_is_silent_gets_no_less_time_to_confirm_the_next_transport() {
        let (gateway, addr) = port().await;
        let (mut redialer, mut transport, _stream) = redialer(addr, &gateway).await;
        let live = redialer.supplier.live_transport().unwrap();
        let short = Duration::from_millis(10);
        (0..6).for_each(|_| redialer.confirmation.expect(live, short));
        redialer.begin(Need::Silent);
        let before = Instant::now();
        redialer.confirmation.expect(live, short);
        redialer.confirmation.late().await;
        assert!(before.elapsed() >= 64 * short);

        confirm(&mut transport, &redialer.supplier, live).await;
        redialer.begin(Need::Silent);
        assert_eq!(redialer.confirmation.transport(), None);
    }

    #[tokio::test]
    async fn a_transport_on_which_the_gateway_sends_has_more_time_to_be_confirmed() {
        let (gateway, addr) = port().await;
        let (mut redialer, _transport, _stream) = redialer(addr, &gateway).await;
        let live = redialer.supplier.live_transport().unwrap();
        redialer.confirmation.expect(live, Duration::from_millis(1));
        redialer.shared.set_heard();
        let least = redialer.attempts.delays(redialer.attempt_timeout).connected();
        let before = Instant::now();
        assert!(matches!(redialer.wait_for_need().await, Ok(Need::Unconfirmed(unconfirmed)) if unconfirmed == live));
        assert!(before.elapsed() >= least);
    }

    #[tokio::test]
    async fn a_transport_that_is_confirmed_late_goes_on_and_nothing_was_interrupted() {
        let (gateway, addr) = port().await;
        let (mut redialer, mut transport, _stream) = redialer(addr, &gateway).await;
        let live = redialer.supplier.live_transport().unwrap();
        let mut events = redialer.shared.subscribe();
        confirm(&mut transport, &redialer.supplier, live).await;
        assert!(redialer.recover(Need::Unconfirmed(live)).await.is_ok());
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
            _ = redialer.recover(Need::Lost) => panic!("nobody has answered"),
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
        let back = timeout(Duration::from_millis(300), redialer.recover(Need::Asked)).await;
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
            _ = redialer.recover(Need::Lost) => panic!("{:?}", redialer.supplier.end()),
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
        let back = timeout(MANY_ATTEMPTS, redialer.recover(Need::Lost)).await;
        assert!(back.is_err(), "{:?}", redialer.supplier.end());
    }
}
