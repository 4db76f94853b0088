//! Virtual connections, as the application holds them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fastway_wire::ConnId;
use futures_core::Stream;
use futures_sink::Sink;

use super::batch::Batch;
use super::io::ConnectionIo;
use super::recv::{RecvHalf, ReuniteError, TryRecv};
use super::send::{Pace, SendHalf};
use crate::link::RawConnection;
use crate::{CloseReason, SendError, TrySendError};

/// A virtual connection, on which both ends exchange messages in order. `R` is what the other end is known by:
/// [`ServerId`](crate::ServerId) on a client, [`ClientId`](crate::ClientId) on a server.
///
/// Dropping it closes it. It is a [`Stream`] of messages and a [`Sink`] for them as well.
///
/// ```
/// use fastway_client::{ClientId, Connection, SendError};
///
/// async fn echo(mut player: Connection<ClientId>) -> Result<(), SendError> {
///     while let Some(message) = player.recv().await {
///         player.send(message).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct Connection<R> {
    sending: SendHalf<R>,
    receiving: RecvHalf<R>,
}

impl<R: Copy> Connection<R> {
    /// The gateway's ID of this connection, the same at both ends.
    pub fn conn_id(&self) -> ConnId {
        self.sending.conn_id()
    }

    /// The ID of the other end.
    pub fn remote_id(&self) -> R {
        self.sending.remote_id()
    }

    /// Sends a message; see [`SendHalf::send`].
    ///
    /// # Errors
    /// The connection has ended, or the message is too long.
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Pace, SendError> {
        self.sending.send(message).await
    }

    /// Sends a copy of a message; see [`SendHalf::send_slice`].
    ///
    /// # Errors
    /// The same as [`Connection::send`].
    pub async fn send_slice(&self, message: &[u8]) -> Result<Pace, SendError> {
        self.sending.send_slice(message).await
    }

    /// Sends copies of several messages; see [`SendHalf::send_batch`].
    ///
    /// # Errors
    /// The same as [`Connection::send`].
    pub async fn send_batch<'a>(&self, messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Pace, SendError> {
        self.sending.send_batch(messages).await
    }

    /// Sends a message, but waits no longer than `limit`; see [`SendHalf::send_timeout`].
    ///
    /// # Errors
    /// The same as [`Connection::send`]; and the message comes back when the link is held up all that time.
    pub async fn send_timeout(&self, message: impl Into<Bytes>, limit: Duration) -> Result<Pace, TrySendError> {
        self.sending.send_timeout(message, limit).await
    }

    /// Sends a message at once or not at all; see [`SendHalf::try_send`].
    ///
    /// # Errors
    /// The same as [`Connection::send`]; and the message comes back when the link is held up.
    pub fn try_send(&self, message: impl Into<Bytes>) -> Result<(), TrySendError> {
        self.sending.try_send(message)
    }

    /// Waits until the socket has all that was sent; see [`SendHalf::flush`].
    ///
    /// # Errors
    /// The connection ended first.
    pub async fn flush(&self) -> Result<(), SendError> {
        self.sending.flush().await
    }

    /// Whether a `send` would have to wait now: more than `send_buffer_bytes` wait for the socket.
    pub fn is_held_up(&self) -> bool {
        self.sending.is_held_up()
    }

    /// The next message; `None` after the last one of a connection that has ended. See [`RecvHalf::recv`].
    #[inline]
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiving.recv().await
    }

    /// The next message, in place; see [`RecvHalf::recv_ref`].
    #[inline]
    pub async fn recv_ref(&mut self) -> Option<&[u8]> {
        self.receiving.recv_ref().await
    }

    /// The messages that are there, in place; see [`RecvHalf::recv_batch`].
    pub async fn recv_batch(&mut self) -> Option<Batch<'_>> {
        self.receiving.recv_batch().await
    }

    /// The next message, if it is there already.
    ///
    /// # Errors
    /// There is none yet, or there will be none any more.
    pub fn try_recv(&mut self) -> Result<Bytes, TryRecv> {
        self.receiving.try_recv()
    }

    /// Closes the connection. What was sent before still arrives; what was received can still be read.
    pub fn close(&self) {
        self.sending.close();
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.sending.close_reason()
    }

    /// Waits for the end of the connection, and says why. Messages may still wait to be read then.
    pub async fn closed(&self) -> CloseReason {
        self.sending.closed().await
    }

    /// Two halves for two tasks; [`RecvHalf::reunite`] puts them together again. The connection is closed when the last
    /// of them is dropped.
    pub fn split(self) -> (SendHalf<R>, RecvHalf<R>) {
        (self.sending, self.receiving)
    }

    /// A byte stream over the connection, for protocols that know no messages.
    pub fn into_io(self) -> ConnectionIo<R> {
        ConnectionIo::new(self.sending, self.receiving)
    }
}

impl<R: fmt::Debug> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Connection");
        debug.field("conn_id", &self.sending.conn_id()).field("remote_id", &self.sending.remote).finish_non_exhaustive()
    }
}

impl<R: Unpin> Stream for Connection<R> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.receiving.poll_recv(cx)
    }
}

impl<R: Unpin> Sink<Bytes> for Connection<R> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sending).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        Pin::new(&mut self.sending).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sending).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.sending).poll_close(cx)
    }
}

impl<R> RecvHalf<R> {
    /// Puts the halves of a connection together again. Clones of the sending half may go on sending.
    ///
    /// ```
    /// # use fastway_client::{Connection, ServerId};
    /// fn there_and_back(connection: Connection<ServerId>) -> Connection<ServerId> {
    ///     let (sending, receiving) = connection.split();
    ///     receiving.reunite(sending).expect("they are of one connection")
    /// }
    /// ```
    ///
    /// # Errors
    /// They are not of one connection; both come back.
    #[expect(clippy::result_large_err, reason = "the halves come back as they are, and the connection is as large")]
    pub fn reunite(self, sending: SendHalf<R>) -> Result<Connection<R>, ReuniteError<R>> {
        match Arc::ptr_eq(&self.handle, &sending.handle) {
            true => Ok(Connection { sending, receiving: self }),
            false => Err(ReuniteError { sending, receiving: self }),
        }
    }
}

impl RawConnection {
    pub(crate) fn with_remote<R: Copy>(self, typed: impl FnOnce(u32) -> R) -> Connection<R> {
        let remote = typed(self.remote);
        self.handle.inbox.hand_out();
        let sending = SendHalf::new(Arc::clone(&self.handle), remote);
        Connection { sending, receiving: RecvHalf::new(self.handle, remote) }
    }
}
