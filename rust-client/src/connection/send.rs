//! The sending half of a connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastway_wire::ConnId;
use futures_sink::Sink;
use tokio::sync::futures::OwnedNotified;
use tokio::task::coop::{consume_budget, poll_proceed};

use crate::link::{ConnectionHandle, Pushed};
use crate::{CloseReason, SendError, TrySendError};

/// Messages for one unit of tokio's task budget, which is 128 units per poll. To check the budget for each message
/// would cost a good part of the message.
pub(super) const MESSAGES_PER_UNIT: usize = 8;
/// Messages of a batch that are queued under one lock.
const MESSAGES_AT_ONCE: usize = 32;

/// Sends the messages of one connection. Clones send on the same connection, for a broadcast from elsewhere, say.
///
/// The connection is closed when the last clone *and* the [`RecvHalf`](crate::RecvHalf) are dropped.
pub struct SendHalf<R> {
    pub(super) handle: Arc<ConnectionHandle>,
    pub(super) remote: R,
    /// Messages offered so far. A rough count is enough.
    offered: AtomicUsize,
    /// The notification that a `poll_ready` or `poll_flush` waits for.
    change: Option<Pin<Box<OwnedNotified>>>,
    /// The position in the link's stream behind the last message that the [`Sink`] took.
    sent_position: u64,
}

/// Whether a `send` had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It did not wait.
    Free,
    /// It waited this long: more than `send_buffer_bytes` were queued for the socket.
    HeldUp(Duration),
}

impl Pace {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::HeldUp(first), Self::HeldUp(second)) => Self::HeldUp(first + second),
            (held, Self::Free) | (Self::Free, held) => held,
        }
    }
}

impl<R> SendHalf<R> {
    pub(super) fn new(handle: Arc<ConnectionHandle>, remote: R) -> Self {
        Self { handle, remote, offered: AtomicUsize::new(0), change: None, sent_position: 0 }
    }

    /// The gateway's ID of this connection.
    pub fn conn_id(&self) -> ConnId {
        self.handle.inbox.id
    }

    /// The ID of the other end.
    pub fn remote_id(&self) -> R
    where
        R: Copy,
    {
        self.remote
    }

    /// Queues a message for the socket. Waits while the link is held up, and reports how long.
    ///
    /// Payloads of up to 4 KiB are copied, larger ones are written from where they are. Cancel-safe: a `send` that is
    /// dropped before it is complete has sent nothing.
    ///
    /// # Errors
    /// The connection has ended, or the message is too long.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Pace, SendError> {
        let message = message.into();
        self.take_turns().await;
        match self.push(&message)? {
            true => Ok(Pace::Free),
            false => self.send_when_room(|| self.push(&message)).await,
        }
    }

    /// [`SendHalf::send`] for a message that stays with the caller; it is copied, whatever its size.
    ///
    /// # Errors
    /// The same as [`SendHalf::send`].
    pub async fn send_slice(&self, message: &[u8]) -> Result<Pace, SendError> {
        self.take_turns().await;
        match self.push_copy(message)? {
            true => Ok(Pace::Free),
            false => self.send_when_room(|| self.push_copy(message)).await,
        }
    }

    /// Sends copies of several messages, in order; the way to the socket is paid once for many of them.
    ///
    /// ```
    /// # use fastway_client::{RecvHalf, SendError, SendHalf, ServerId};
    /// async fn echo(sending: SendHalf<ServerId>, mut receiving: RecvHalf<ServerId>) -> Result<(), SendError> {
    ///     while let Some(batch) = receiving.recv_batch().await {
    ///         sending.send_batch(batch).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// One that is dropped before it is complete has sent the first messages, and none behind them.
    ///
    /// # Errors
    /// The connection has ended, or a message is too long; those before it have been sent.
    pub async fn send_batch<'a>(&self, messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Pace, SendError> {
        let mut messages = messages.into_iter();
        let mut pace = Pace::Free;
        loop {
            // Taken before the link is locked: the iterator is the caller's code.
            let mut some = [&[][..]; MESSAGES_AT_ONCE];

            let count = some.iter_mut().zip(&mut messages).map(|(place, message)| *place = message).count();

            let mut rest = some.get(..count).unwrap_or_default();
            if rest.is_empty() {
                return Ok(pace);
            }

            consume_budget().await;
            // The link may be held up in the middle. Then the next message waits for room, and the rest tries again.
            while let [first, behind @ ..] = rest {
                rest = match self.push_copies(rest)? {
                    0 => {
                        pace = pace.and(self.send_when_room(|| self.push_copy(first)).await?);
                        behind
                    }
                    sent => rest.get(sent..).unwrap_or_default(),
                };
            }
        }
    }

    /// [`SendHalf::send`] that gives the message back when the link is held up for longer than `limit`.
    ///
    /// # Errors
    /// The same as [`SendHalf::send`], and [`TrySendError::HeldUp`].
    pub async fn send_timeout(&self, message: impl Into<Bytes>, limit: Duration) -> Result<Pace, TrySendError> {
        let message = message.into();
        match self.handle.link.within(limit, self.send(message.clone())).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(TrySendError::HeldUp(message)),
        }
    }

    /// Queues a message at once, or gives it back when the link is held up.
    ///
    /// # Errors
    /// The same as [`SendHalf::send`], and [`TrySendError::HeldUp`].
    pub fn try_send(&self, message: impl Into<Bytes>) -> Result<(), TrySendError> {
        let message = message.into();
        match self.push(&message)? {
            true => Ok(()),
            false => Err(TrySendError::HeldUp(message)),
        }
    }

    /// Waits until the socket has taken all that was sent on this connection so far. Cancel-safe.
    ///
    /// It says nothing about the other end: a message is there when the other end says so.
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn flush(&self) -> Result<(), SendError> {
        let ConnectionHandle { inbox, link } = &*self.handle;
        let position = link.queued_position();
        loop {
            let changed = inbox.waiter.changed.notified();
            self.check_open()?;
            if link.has_written(position, inbox) {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Whether a `send` would have to wait now.
    pub fn is_held_up(&self) -> bool {
        self.handle.link.is_held_up()
    }

    /// Closes the connection, both directions of it: there is no half-closed connection.
    pub fn close(&self) {
        self.handle.close();
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.handle.close_reason()
    }

    /// Waits for the end of the connection, and says why.
    pub async fn closed(&self) -> CloseReason {
        self.handle.closed().await
    }

    /// Yields to other tasks now and then, even if there is always room.
    #[inline]
    async fn take_turns(&self) {
        if self.owes_turn() {
            consume_budget().await;
        }
    }

    #[inline]
    fn owes_turn(&self) -> bool {
        let offered = self.offered.load(Ordering::Relaxed).wrapping_add(1);
        self.offered.store(offered, Ordering::Relaxed);
        offered.is_multiple_of(MESSAGES_PER_UNIT)
    }

    async fn send_when_room(&self, push: impl Fn() -> Result<bool, SendError>) -> Result<Pace, SendError> {
        let since = Instant::now();
        self.handle.link.counters.sends_held_up.add(1);
        loop {
            // Registered before the next attempt, so that no change is missed in between.
            let changed = self.handle.inbox.waiter.changed.notified();
            if push()? {
                return Ok(Pace::HeldUp(since.elapsed()));
            }
            changed.await;
        }
    }

    #[inline]
    fn push(&self, message: &Bytes) -> Result<bool, SendError> {
        self.check(message)?;
        outcome(self.handle.link.push(&self.handle.inbox, message), message)
    }

    #[inline]
    pub(super) fn push_copy(&self, message: &[u8]) -> Result<bool, SendError> {
        self.check(message)?;
        outcome(self.handle.link.push_copy(&self.handle.inbox, message), message)
    }

    /// Queues the first of `messages`, as many as there is room for.
    fn push_copies(&self, messages: &[&[u8]]) -> Result<usize, SendError> {
        messages.first().map_or(Ok(()), |first| self.check(first))?;
        let max = self.max_message_bytes();
        let fitting = messages.iter().take_while(|message| message.len() <= max).count();
        Ok(self.handle.link.push_copies(&self.handle.inbox, messages.get(..fitting).unwrap_or_default()))
    }

    #[inline]
    fn check(&self, message: &[u8]) -> Result<(), SendError> {
        let max = self.max_message_bytes();
        match message.len() > max {
            true => Err(SendError::TooLong { bytes: message.len(), max }),
            false => self.check_open(),
        }
    }

    #[inline]
    fn check_open(&self) -> Result<(), SendError> {
        self.handle.inbox.end().map_or(Ok(()), |reason| Err(reason.clone().into()))
    }

    /// Longest payload of one message, in bytes.
    pub fn max_message_bytes(&self) -> usize {
        self.handle.link.config.max_message_bytes()
    }

    /// Ready when a message would be queued at once.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.owes_turn() {
            ready!(poll_proceed(cx)).made_progress();
        }
        self.poll_until(cx, |handle| handle.link.has_room_for(&handle.inbox))
    }

    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let position = self.sent_position;
        self.poll_until(cx, |handle| handle.link.has_written(position, &handle.inbox))
    }

    pub(super) fn mark_sent(&mut self) {
        self.sent_position = self.handle.link.queued_position();
    }

    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        is_so: impl Fn(&ConnectionHandle) -> bool,
    ) -> Poll<Result<(), SendError>> {
        loop {
            self.check_open()?;
            if is_so(&self.handle) {
                self.change = None;
                return Poll::Ready(Ok(()));
            }

            if let Some(change) = &mut self.change {
                ready!(change.as_mut().poll(cx));
                self.change = None;
            } else {
                // Registered before the second check, so that no change is missed in between.
                self.change = Some(Box::pin(Arc::clone(&self.handle.inbox.waiter.changed).notified_owned()));
            }
        }
    }
}

fn outcome(pushed: Pushed, message: &[u8]) -> Result<bool, SendError> {
    match pushed {
        Pushed::Queued => Ok(true),
        Pushed::HeldUp => Ok(false),
        Pushed::TooLong => {
            let max = (u32::MAX - fastway_wire::MIN_PACKET) as usize;
            Err(SendError::TooLong { bytes: message.len(), max })
        }
    }
}

impl<R: Clone> Clone for SendHalf<R> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            remote: self.remote.clone(),
            offered: AtomicUsize::new(0),
            change: None,
            sent_position: self.sent_position,
        }
    }
}

impl<R> fmt::Debug for SendHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("conn_id", &self.conn_id()).finish_non_exhaustive()
    }
}

impl<R: Unpin> Sink<Bytes> for SendHalf<R> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_room(cx)
    }

    /// A clone may have filled the link since `poll_ready`: then the message goes a little above the bound.
    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.check(&message)?;
        let ConnectionHandle { inbox, link } = &*self.handle;
        outcome(link.push_anyway(inbox, &message), &message)?;
        self.mark_sent();
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_written(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if let Some(CloseReason::Local) = self.close_reason() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_written(cx))?;

        self.close();
        Poll::Ready(Ok(()))
    }
}
