//! A link over a session: it continues on one TCP connection after another (`docs/protocol.md` §3).
//!
//! ```text
//! Driver ──▶ SessionLink ──▶ SessionStream ──▶ TCP, and TCP again      one task reads, writes and seals
//!                │                 ▲
//!                └─ owns Redialer ─┘                                    another one brings the transports
//! ```

mod ahead;
mod attempts;
mod config;
mod confirmation;
mod delays;
mod pauses;
mod redialer;
mod shared;
#[cfg(test)]
mod testing;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fastway_session::{AbortReason, Fault, InsteadOf, SessionStream, Status, TransportId, Wanted};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use ahead::ReadAhead;
use attempts::{Attempts, Next, Outcome};
pub use config::{SessionConfig, SessionProtocol};
use confirmation::Confirmation;
use delays::Due;
use pauses::Pauses;
use redialer::Redialer;
pub(crate) use shared::Shared;
pub use shared::{SessionEvent, SessionEvents};

use crate::link::Carrier;
use crate::tcp::TimeLimit;
use crate::{ConnectError, ConnectStep, GatewayPort, LinkEnd};

/// The session under a link. Dropping it ends the task that brings its transports.
pub(crate) struct SessionLink {
    stream: SessionStream<TcpStream>,
    ahead: ReadAhead,
    shared: Arc<Shared>,
    silent_after: Duration,
    /// The transport at the last call of `has_new_transport`.
    transport: Option<TransportId>,
    is_legacy: bool,
    _redialer: JoinSet<()>,
}

/// Opens a session with the gateway at `addr`. A failed attempt is not repeated: only existing sessions retry, and
/// attempts without any answer get others beside them. If the link is `pinged`, the gateway must confirm transports.
pub(crate) async fn open(
    addr: String,
    config: &SessionConfig,
    pinged: bool,
    port: GatewayPort,
    limit: &TimeLimit,
) -> Result<SessionLink, ConnectError> {
    let (mut stream, supplier) = SessionStream::initiator(config.session(), config.replay_bytes);

    let mut attempts = Attempts::new(supplier.dialer());
    let opened = tokio::select! {
        flushed = poll_fn(|cx| Pin::new(&mut stream).poll_flush(cx)) => {
            flushed.map_err(|error| ConnectError::TurnedAway { port, end: error.into() })
        }
        Err(error) = first_answer(&mut attempts, &addr, config, port, limit) => Err(error),
    };

    opened?;

    let shared = Arc::new(Shared::new());
    let (pauses, attempt_timeout) = (Pauses::new(config.backoff.clone()), config.attempt_timeout);
    let confirmation = Confirmation::within(pinged.then_some(config.silent_after));
    let redialer =
        Redialer { addr, supplier, attempts, shared: Arc::clone(&shared), pauses, confirmation, attempt_timeout };

    let mut tasks = JoinSet::new();
    tasks.spawn(redialer.run());

    let is_legacy = matches!(config.protocol, SessionProtocol::Legacy { .. });
    let (ahead, transport, silent_after) = (ReadAhead::default(), stream.live_transport(), config.silent_after);
    Ok(SessionLink { stream, ahead, shared, silent_after, transport, is_legacy, _redialer: tasks })
}

/// Makes attempts until one is answered or all have failed. No attempt begins after the first failure. Those in
/// progress may still be answered, within the time of one attempt.
async fn first_answer(
    attempts: &mut Attempts,
    addr: &str,
    config: &SessionConfig,
    port: GatewayPort,
    limit: &TimeLimit,
) -> Result<Infallible, ConnectError> {
    let outcome = first_over(attempts, addr, config, limit).await;
    let Some(error) = failure(outcome, config, port) else { return carried(limit).await };

    let is_answered = async {
        while !attempts.is_empty() {
            if let Next::Over(attempted) = attempts.next(None).await
                && failure(attempted.outcome, config, port).is_none()
            {
                return true;
            }
        }
        false
    };
    match timeout(config.attempt_timeout, is_answered).await {
        Ok(true) => carried(limit).await,
        Ok(false) | Err(_) => Err(error),
    }
}

/// Begins attempts beside each other, until one has ended.
async fn first_over(attempts: &mut Attempts, addr: &str, config: &SessionConfig, limit: &TimeLimit) -> Outcome {
    let mut delays = attempts.delays(config.attempt_timeout);
    let mut due = Due::At(Instant::now());
    loop {
        match attempts.next(attempts.has_room().then_some(due)).await {
            Next::Due => {
                attempts.begin(addr.to_owned(), *limit, InsteadOf::Nothing);
                due = delays.next_due();
            }
            Next::Over(attempted) => return attempted.outcome,
        }
    }
}

/// A transport carries the session, and the proof is being sent; or the session has ended, and the stream reports it.
/// The caller waits for the stream.
async fn carried(limit: &TimeLimit) -> Result<Infallible, ConnectError> {
    limit.wait(ConnectStep::Session, pending()).await
}

/// The error of a failed attempt.
fn failure(outcome: Outcome, config: &SessionConfig, port: GatewayPort) -> Option<ConnectError> {
    match outcome {
        Outcome::Carries | Outcome::NotNeeded | Outcome::Over => None,
        Outcome::Unanswered(error) => Some(error),
        Outcome::Lost(wanted) => Some(explain(wanted, config, port)),
    }
}

fn explain(Wanted { fault, retry_after }: Wanted, config: &SessionConfig, port: GatewayPort) -> ConnectError {
    match (fault, config.gateway_key()) {
        (Some(Fault::NotAuthentic | Fault::Refused(Status::NotAuthentic)), Some(key)) => {
            ConnectError::WrongGatewayKey { key }
        }
        (fault, _) => ConnectError::NoSession { port, fault, retry_after },
    }
}

impl Carrier for SessionLink {
    fn session(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(&self.shared))
    }

    /// The legacy session has no close.
    fn half_closes(&self) -> bool {
        !self.is_legacy
    }

    /// Sends acknowledgements, and answers resumes.
    fn poll_background(&mut self, cx: &mut Context<'_>) {
        // An end is reported when the link is read again.
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
        self.shared.set_listening(false);
        let waits_for_acks = !self.is_legacy;
        if waits_for_acks && self.ahead.make_room(&mut self.stream, cx) {
            cx.waker().wake_by_ref();
        }
    }

    fn has_new_transport(&mut self) -> bool {
        let live = self.stream.live_transport();
        live.is_some() && std::mem::replace(&mut self.transport, live) != live
    }

    /// A young transport still has its time, and a lost one is being replaced already.
    fn replace_transport(&mut self) -> bool {
        if self.shared.live_for().is_some_and(|lived| lived >= self.silent_after) {
            tracing::debug!("the gateway is silent, so the session asks for another transport");
            self.shared.silent.notify_one();
        }
        true
    }

    fn poll_final_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_flush(cx).map(|_| ())
    }

    fn ended(&mut self, end: &LinkEnd, cx: &mut Context<'_>) {
        if !matches!(end, LinkEnd::Closed) {
            let reason =
                if matches!(end, LinkEnd::Protocol(_)) { AbortReason::PeerFault } else { AbortReason::Unspecified };
            self.stream.abort(reason);
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
        let own = matches!(end, LinkEnd::Closed | LinkEnd::Unconfirmed { .. } | LinkEnd::Dropped);
        self.shared.over((!own).then(|| end.clone()));
    }
}

impl Drop for SessionLink {
    /// No event follows, however the link has ended.
    fn drop(&mut self) {
        self.shared.over(None);
    }
}

impl AsyncRead for SessionLink {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { ahead, stream, shared, .. } = &mut *self;
        shared.set_listening(true);
        let filled = to.filled().len();
        let polled = ahead.poll_read(stream, cx, to);
        if to.filled().len() > filled {
            shared.set_heard();
        }
        polled
    }
}

impl AsyncWrite for SessionLink {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
