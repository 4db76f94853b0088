//! One of the TCP streams that carry a session, with what was sealed for it and the socket has not taken.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use fastway_session::{Dial, TransportId};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A TCP stream under a session.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) id: TransportId,
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Of a candidate that counts as a handshake in progress.
    handshake: Option<HandshakeGuard>,
    /// What was sealed and the socket has not taken, from `taken` on.
    sealed: Vec<u8>,
    taken: usize,
}

/// A handshake is in progress while its guard lives. The task that counts it waits at the other end; when that is closed, the
/// handshake has to end: it is late, or makes room for another one.
pub type HandshakeGuard = oneshot::Sender<()>;

impl Carrier {
    pub(super) fn new(dial: Dial, stream: TcpStream, peer: SocketAddr, handshake: Option<HandshakeGuard>) -> Self {
        Self { id: dial.transport, stream, peer, handshake, sealed: dial.bytes, taken: 0 }
    }

    /// The stream is proven: its handshake is over.
    pub(super) fn proven(self) -> Self {
        Self { handshake: None, ..self }
    }

    /// Whether its handshake has to end. If not, the task of `cx` is woken when it has to.
    pub(super) fn is_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        self.handshake.as_mut().is_some_and(|handshake| handshake.poll_closed(cx).is_ready())
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.sealed.is_empty()
    }

    /// Memory that its buffer takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.sealed.capacity()
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(space);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
        polled.map_ok(|()| buffer.filled().len())
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.sealed.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(sent)) => self.taken += sent,
                Poll::Ready(Err(lost)) => return Poll::Ready(Err(lost)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.sealed = Vec::new();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends what the socket takes now, and keeps the rest. A failure shows at the next call of [`Self::poll_flush`] or
    /// when the stream is read.
    pub(super) fn queue(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut sent = 0;
        if self.is_flushed() {
            while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
                match Pin::new(&mut self.stream).poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Ready(Err(_)) | Poll::Pending => break,
                }
            }
        }
        self.sealed.extend_from_slice(bytes.get(sent..).unwrap_or_default());
    }

    /// Ends the sending side, and says whether the peer's machine has all that was sent.
    pub(super) fn finish(&self) -> bool {
        if !self.is_flushed() {
            return false;
        }
        let _gone_already = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        !matches!(fastway_sys::unacknowledged_bytes(&self.stream), Ok(1..))
    }
}
