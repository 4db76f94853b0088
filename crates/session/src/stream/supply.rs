//! The channel between a stream and the code that dials or accepts its transports.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::{End, Fault, Resume, TransportId};

/// A stream's request for a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The fault of the last transport; none if there was none, or if it was cut. After a refusal, wait before dialing
    /// again.
    pub fault: Option<Fault>,
    /// The time that the acceptor asks to wait, if it refused and gave one ([`crate::Session::retry_after`]).
    pub retry_after: Option<Duration>,
}

/// The live transport that an attempt may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsteadOf {
    /// None: while a transport carries the session, the attempt is not needed.
    Nothing,
    /// This one, in any state.
    Transport(TransportId),
    /// This one, unless the other end has confirmed it in the meantime ([`crate::Event::Confirmed`]).
    Unconfirmed(TransportId),
}

/// The outcome of a transport that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It carries the session.
    Carries,
    /// Another transport carries the session, so this one was dropped. This is no statement about the other end.
    NotNeeded,
    /// It has ended or failed, and the stream needs another one.
    Lost(Wanted),
    /// The session has ended, or its stream was dropped.
    Over,
}

/// Hands transports to a stream. Its owner decides how long to wait between attempts.
#[derive(Debug)]
pub struct Supplier<T> {
    transports: mpsc::Sender<Supply<T>>,
    needs: watch::Receiver<Needs>,
    seen: u64,
    /// Transports that were handed in by [`Self::dial`].
    dialed: u64,
}

/// Hands a stream transports that are tried side by side. Initiators only.
#[derive(Debug)]
pub struct Dialer<T> {
    transports: mpsc::Sender<Supply<T>>,
    needs: watch::Receiver<Needs>,
}

/// A transport that was handed in by [`Dialer::attempt`]. Dropping it gives the transport up, unless it carries the session.
#[derive(Debug)]
pub struct Attempt {
    settled: oneshot::Receiver<Settled>,
    needs: watch::Receiver<Needs>,
}

#[derive(Debug)]
pub(super) enum Supply<T> {
    Dial(T),
    /// A transport for a session that has none, or has this one.
    Attempt {
        transport: T,
        instead_of: InsteadOf,
        settled: oneshot::Sender<Settled>,
    },
    Resume(Resume, T),
}

/// The state that a stream publishes.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    /// Grows each time that a transport is needed.
    wanted: u64,
    fault: Option<Fault>,
    retry_after: Option<Duration>,
    /// Transports that were dialed and taken; the number of the last of them that was lost.
    dialed: u64,
    lost: u64,
    live: Option<TransportId>,
    /// The last transport that was confirmed.
    confirmed: Option<TransportId>,
    end: Option<End>,
}

impl<T> Supplier<T> {
    /// Waits until the stream needs a transport; `None` once the session has ended.
    pub async fn wanted(&mut self) -> Option<Wanted> {
        let seen = self.seen;
        let changed = self.needs.wait_for(|needs| needs.wanted > seen || needs.end.is_some()).await;

        let needs = *changed.ok()?;
        self.seen = needs.wanted;
        needs.end.is_none().then(|| needs.want())
    }

    /// Initiator: opens or resumes the session on this transport. May be called at any time; an older transport is
    /// given up.
    ///
    /// # Errors
    /// The stream was dropped: the transport is given back.
    pub async fn dial(&mut self, transport: T) -> Result<(), T> {
        self.hand_in(Supply::Dial(transport)).await?;
        self.dialed += 1;
        Ok(())
    }

    /// Initiator: waits until the transport that was dialed last carries the session, or is lost. [`Self::wanted`] does
    /// not report again what this returns.
    pub async fn settled(&mut self) -> Settled {
        let dialed = self.dialed;
        let changed = self.needs.wait_for(|needs| needs.has_settled(dialed) || needs.end.is_some()).await;
        let Ok(needs) = changed.map(|needs| *needs) else { return Settled::Over };
        self.seen = needs.wanted;

        match (needs.end, needs.live) {
            (Some(_), _) => Settled::Over,
            (None, Some(_)) => Settled::Carries,
            (None, None) => Settled::Lost(needs.want()),
        }
    }

    /// Initiator: a handle for attempts that run side by side.
    pub fn dialer(&self) -> Dialer<T> {
        Dialer { transports: self.transports.clone(), needs: self.needs.clone() }
    }

    /// Waits until no transport carries the session; false if the session has ended.
    pub async fn lost(&mut self) -> bool {
        let changed = self.needs.wait_for(|needs| needs.live.is_none() || needs.end.is_some()).await;
        changed.is_ok_and(|needs| needs.end.is_none())
    }

    /// Acceptor: answers a resume that names this session, on this transport.
    ///
    /// # Errors
    /// The stream was dropped: the transport is given back.
    pub async fn resume(&self, resume: Resume, transport: T) -> Result<(), T> {
        self.hand_in(Supply::Resume(resume, transport)).await
    }

    async fn hand_in(&self, supply: Supply<T>) -> Result<(), T> {
        self.transports.send(supply).await.map_err(|mpsc::error::SendError(supply)| match supply {
            Supply::Dial(transport) | Supply::Attempt { transport, .. } | Supply::Resume(_, transport) => transport,
        })
    }

    /// Whether a transport carries the session.
    pub fn is_live(&self) -> bool {
        self.live_transport().is_some()
    }

    /// The transport that carries the session.
    pub fn live_transport(&self) -> Option<TransportId> {
        self.needs.borrow().live
    }

    /// Initiator: whether the other end has shown that it uses this transport ([`crate::Event::Confirmed`]). Remains
    /// true after the transport is lost, until another one is confirmed.
    pub fn is_confirmed(&self, transport: TransportId) -> bool {
        self.needs.borrow().confirmed == Some(transport)
    }

    /// Waits until a transport carries the session; false if the session has ended.
    pub async fn live(&mut self) -> bool {
        let changed = self.needs.wait_for(|needs| needs.live.is_some() || needs.end.is_some()).await;
        changed.is_ok_and(|needs| needs.end.is_none())
    }

    /// Why the session is over, if it is.
    pub fn end(&self) -> Option<End> {
        self.needs.borrow().end
    }
}

impl<T> Dialer<T> {
    /// Opens or resumes the session on this transport, beside others that are tried. If a transport carries the session
    /// already, this one is dropped as not needed, unless that one is `instead_of`, which is given up.
    pub async fn attempt(&self, transport: T, instead_of: InsteadOf) -> Attempt {
        let (settled, told) = oneshot::channel();
        // If the stream was dropped, `Attempt::settled` says so.
        let _ = self.transports.send(Supply::Attempt { transport, instead_of, settled }).await;
        Attempt { settled: told, needs: self.needs.clone() }
    }
}

impl<T> Clone for Dialer<T> {
    fn clone(&self) -> Self {
        Self { transports: self.transports.clone(), needs: self.needs.clone() }
    }
}

impl Attempt {
    /// Waits until the transport carries the session, or is of no more use.
    pub async fn settled(self) -> Settled {
        let Self { settled, needs } = self;
        match settled.await {
            Ok(settled) => settled,
            // The stream dropped the sender: with its session, or to make room for a newer candidate.
            Err(_) if needs.has_changed().is_err() || needs.borrow().end.is_some() => Settled::Over,
            Err(_) => Settled::Lost(Wanted { fault: None, retry_after: None }),
        }
    }
}

impl Needs {
    const fn want(&self) -> Wanted {
        Wanted { fault: self.fault, retry_after: self.retry_after }
    }

    fn has_settled(&self, dialed: u64) -> bool {
        self.dialed >= dialed && (self.live.is_some() || self.lost >= dialed)
    }
}

/// The stream's end of the channel.
#[derive(Debug)]
pub(super) struct Supplies<T> {
    transports: mpsc::Receiver<Supply<T>>,
    needs: watch::Sender<Needs>,
}

impl<T> Supplies<T> {
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Supply<T>>> {
        self.transports.poll_recv(cx)
    }

    pub(super) fn want(&self, Wanted { fault, retry_after }: Wanted) {
        self.needs.send_modify(|needs| {
            needs.wanted += 1;
            needs.lost = needs.dialed;
            (needs.fault, needs.retry_after) = (fault, retry_after);
        });
    }

    /// A dialed transport was taken.
    pub(super) fn dialed(&self) {
        self.needs.send_modify(|needs| needs.dialed += 1);
    }

    pub(super) fn live(&self, transport: TransportId) {
        self.needs.send_modify(|needs| needs.live = Some(transport));
    }

    pub(super) fn confirmed(&self, transport: TransportId) {
        self.needs.send_modify(|needs| needs.confirmed = Some(transport));
    }

    pub(super) fn interrupted(&self) {
        self.needs.send_modify(|needs| needs.live = None);
    }

    pub(super) fn end(&self, end: End) {
        self.needs.send_modify(|needs| needs.end = Some(end));
    }

    pub(super) fn live_transport(&self) -> Option<TransportId> {
        self.needs.borrow().live
    }

    /// Whether an attempt may take the place of the transport in use.
    pub(super) fn may_replace(&self, live: TransportId, instead_of: InsteadOf) -> bool {
        match instead_of {
            InsteadOf::Nothing => false,
            InsteadOf::Transport(older) => older == live,
            InsteadOf::Unconfirmed(older) => older == live && self.needs.borrow().confirmed != Some(live),
        }
    }
}

pub(super) fn channel<T>() -> (Supplier<T>, Supplies<T>) {
    let (transports, received) = mpsc::channel(1);
    let (told, needs) = watch::channel(Needs::default());
    (Supplier { transports, needs, seen: 0, dialed: 0 }, Supplies { transports: received, needs: told })
}
