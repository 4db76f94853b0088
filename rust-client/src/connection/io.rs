//! A connection as a byte stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use fastway_wire::ConnId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::poll_proceed;

use super::recv::RecvHalf;
use super::send::SendHalf;
use crate::CloseReason;

/// The longest message of one write. Shorter messages let the other end read while this one still writes.
const WRITE_BYTES: usize = 16 << 10;

/// A byte stream over a connection: what is written goes out in messages of up to 16 KiB, what is read are the payloads
/// of the messages received, one behind the other.
///
/// A connection has no half-closed state: `shutdown` waits until the socket has all that was written, then closes both
/// directions; what has been received by then can still be read. Reading ends with 0 bytes when either end closed the
/// connection, and with an error when it ended in another way.
pub struct ConnectionIo<R> {
    sending: SendHalf<R>,
    receiving: RecvHalf<R>,
    /// The message that is being read.
    unread: Bytes,
}

impl<R> ConnectionIo<R> {
    pub(super) fn new(sending: SendHalf<R>, receiving: RecvHalf<R>) -> Self {
        Self { sending, receiving, unread: Bytes::new() }
    }

    /// The gateway's ID of this connection.
    pub fn conn_id(&self) -> ConnId {
        self.sending.conn_id()
    }

    /// Who is at the other end.
    pub fn remote_id(&self) -> R
    where
        R: Copy,
    {
        self.sending.remote_id()
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.sending.close_reason()
    }

    /// Ready when there are bytes to read, or none will come.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receiving.poll_recv(cx)) {
                Some(message) => self.unread = message,
                None => return Poll::Ready(self.end()),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end(&self) -> io::Result<()> {
        match self.close_reason() {
            Some(reason @ (CloseReason::Link(_) | CloseReason::QueueFull { .. })) => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Unpin> AsyncRead for ConnectionIo<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A long message can be read in many small pieces, so each read counts.
        let turn = ready!(poll_proceed(cx));
        ready!(self.poll_fill(cx))?;
        turn.made_progress();

        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(self.unread.get(..count).unwrap_or_default());
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<R: Unpin> AsyncWrite for ConnectionIo<R> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = buf.len().min(WRITE_BYTES).min(self.sending.max_message_bytes());
        let message = buf.get(..count).unwrap_or_default();
        while !message.is_empty() {
            ready!(self.sending.poll_room(cx))?;
            if self.sending.push_copy(message)? {
                self.sending.mark_sent();
                break;
            }
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sending.poll_written(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.close_reason().is_none() {
            ready!(self.sending.poll_written(cx))?;
            self.sending.close();
        }
        Poll::Ready(Ok(()))
    }
}

impl<R> fmt::Debug for ConnectionIo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionIo").field("conn_id", &self.conn_id()).finish_non_exhaustive()
    }
}
