//! The receiving half of a connection.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use fastway_wire::{ConnId, HEADER_BYTES};
use futures_core::Stream;
use tokio::task::coop::poll_proceed;

use super::batch::{Batch, first_frame_bytes};
use super::send::{MESSAGES_PER_UNIT, SendHalf};
use crate::CloseReason;
use crate::link::ConnectionHandle;

/// Receives the messages of one connection, in order.
///
/// The connection is closed when this and the last [`SendHalf`](crate::SendHalf) are dropped. When only this is
/// dropped, what still comes is thrown away.
pub struct RecvHalf<R> {
    pub(super) handle: Arc<ConnectionHandle>,
    remote: R,
    /// Whole frames: the rest of the batch that was taken from the link last.
    batch: VecDeque<BytesMut>,
    current: BytesMut,
    /// Bytes at the front of `current` that were lent to the application.
    lent_bytes: usize,
    taken_messages: usize,
    taken_bytes: usize,
    /// These two counts at the last report to the link.
    reported_messages: usize,
    reported_bytes: usize,
}

/// Two halves that are not of one connection.
#[derive(Debug, thiserror::Error)]
#[error("the halves belong to two connections, {} and {}", .sending.conn_id(), .receiving.conn_id())]
pub struct ReuniteError<R> {
    /// The sending half.
    pub sending: SendHalf<R>,
    /// The receiving half.
    pub receiving: RecvHalf<R>,
}

/// Why there is no message now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TryRecv {
    /// None has come yet.
    #[error("no message has come yet")]
    Empty,
    /// All have been read, and none will come.
    #[error(transparent)]
    Closed(CloseReason),
}

impl<R> RecvHalf<R> {
    pub(super) fn new(handle: Arc<ConnectionHandle>, remote: R) -> Self {
        Self {
            handle,
            remote,
            batch: VecDeque::new(),
            current: BytesMut::new(),
            lent_bytes: 0,
            taken_messages: 0,
            taken_bytes: 0,
            reported_messages: 0,
            reported_bytes: 0,
        }
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

    /// The next message; `None` after the last one of a connection that has ended, whose [`RecvHalf::close_reason`]
    /// says why.
    ///
    /// A message is a part of the block that it was read into; copy what is to be kept for long. Cancel-safe: a `recv`
    /// that is dropped has taken nothing.
    #[inline]
    pub async fn recv(&mut self) -> Option<Bytes> {
        // In the common case there is a message, and nothing to poll.
        if !self.owes_turn()
            && let Some(message) = self.next_taken()
        {
            return Some(message);
        }
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, where it was received; for those who only look at it. It is good until the next call, and costs
    /// less than a message of one's own, which has to be counted. `None` and cancellation as with [`RecvHalf::recv`].
    #[inline]
    pub async fn recv_ref(&mut self) -> Option<&[u8]> {
        if self.owes_turn() || !self.has_next() {
            poll_fn(|cx| self.poll_next_taken(cx)).await;
        }
        self.lend_next()
    }

    /// The messages that are there, where they were received: at least one, and those that came behind it in the same
    /// read of the link. They count as taken, and are good until the next call. For those who handle thousands of small
    /// messages a second on one connection: the way to them is paid once. `None` and cancellation as with
    /// [`RecvHalf::recv`].
    pub async fn recv_batch(&mut self) -> Option<Batch<'_>> {
        poll_fn(|cx| self.poll_next_taken(cx)).await;

        let (messages, bytes) = (Batch::new(&self.current).count(), self.current.len());
        if messages == 0 {
            return None;
        }

        self.lent_bytes = bytes;
        self.count_taken(messages, bytes);
        Some(Batch::new(&self.current))
    }

    /// Whether it is time to let other tasks of the runtime run.
    #[inline]
    fn owes_turn(&self) -> bool {
        self.taken_messages.is_multiple_of(MESSAGES_PER_UNIT)
    }

    #[inline]
    fn lend_next(&mut self) -> Option<&[u8]> {
        let bytes = first_frame_bytes(&self.current)?;
        self.lent_bytes = bytes;
        self.count_taken(1, bytes);
        self.current.get(HEADER_BYTES..bytes)
    }

    /// The next message, if it is there already.
    ///
    /// # Errors
    /// There is none yet, or there will be none any more.
    pub fn try_recv(&mut self) -> Result<Bytes, TryRecv> {
        if let Some(message) = self.next_taken() {
            return Ok(message);
        }

        match self.poll_batch(None) {
            Poll::Pending => Err(TryRecv::Empty),
            Poll::Ready(()) => self.next_taken().ok_or_else(|| self.why_closed()),
        }
    }

    fn why_closed(&self) -> TryRecv {
        TryRecv::Closed(self.close_reason().unwrap_or(CloseReason::Remote))
    }

    /// Closes the connection, both directions of it. What was received can still be read.
    pub fn close(&self) {
        self.handle.close();
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.handle.close_reason()
    }

    /// Waits for the end of the connection, and says why. Messages may still wait to be read then.
    pub async fn closed(&self) -> CloseReason {
        self.handle.closed().await
    }

    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        ready!(self.poll_next_taken(cx));
        Poll::Ready(self.next_taken())
    }

    /// Ready when the next message has been taken from the link, or none will come.
    fn poll_next_taken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let turn = ready!(poll_proceed(cx));
        if !self.has_next() {
            ready!(self.poll_batch(Some(cx)));
            self.has_next();
        }
        turn.made_progress();
        Poll::Ready(())
    }

    /// Takes all queued messages under one lock. Ready with an empty batch means the end.
    fn poll_batch(&mut self, cx: Option<&mut Context<'_>>) -> Poll<()> {
        let (taken, freed) = self.handle.inbox.poll_take(&mut self.batch, cx);
        self.handle.link.release(freed);
        taken
    }

    /// Whether the next message has been taken from the link.
    #[inline]
    fn has_next(&mut self) -> bool {
        self.current.advance(std::mem::take(&mut self.lent_bytes));
        if self.current.is_empty() {
            self.current = self.batch.pop_front().unwrap_or_default();
        }
        !self.current.is_empty()
    }

    #[inline]
    fn next_taken(&mut self) -> Option<Bytes> {
        if !self.has_next() {
            return None;
        }

        let bytes = first_frame_bytes(&self.current)?;
        let mut message = self.current.split_to(bytes).freeze();
        message.advance(HEADER_BYTES);

        self.count_taken(1, bytes);
        Some(message)
    }

    #[inline]
    fn count_taken(&mut self, messages: usize, bytes: usize) {
        self.taken_messages = self.taken_messages.wrapping_add(messages);
        self.taken_bytes = self.taken_bytes.wrapping_add(bytes);

        let ConnectionHandle { inbox, link } = &*self.handle;
        inbox.consumed(self.taken_messages, self.taken_bytes);

        let messages = self.taken_messages.wrapping_sub(self.reported_messages);
        let bytes = self.taken_bytes.wrapping_sub(self.reported_bytes);
        if self.is_last_taken() || inbox.may_release(messages, bytes) || link.unread.seems_held() {
            link.release(inbox.freed());
            (self.reported_messages, self.reported_bytes) = (self.taken_messages, self.taken_bytes);
        }
    }

    /// Whether the application has the last message taken. It may not ask for another one for a long time, so the
    /// progress is reported now.
    #[inline]
    fn is_last_taken(&self) -> bool {
        self.current.len() == self.lent_bytes && self.batch.is_empty()
    }
}

impl<R> Drop for RecvHalf<R> {
    fn drop(&mut self) {
        self.handle.abandon();
    }
}

impl<R> fmt::Debug for RecvHalf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvHalf").field("conn_id", &self.conn_id()).finish_non_exhaustive()
    }
}

impl<R: Unpin> Stream for RecvHalf<R> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_recv(cx)
    }
}
