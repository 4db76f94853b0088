//! One of the streams that carry a session, with what was sealed for it and the socket has not taken.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use fastway_session::{Dial, TransportId};
use fastway_transport::Stream;
use tokio::sync::oneshot;

/// A stream under a session.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) id: TransportId,
    pub(super) stream: Stream,
    pub(super) peer: SocketAddr,
    /// Of a candidate that counts as a handshake in progress.
    handshake: Option<HandshakeGuard>,
    /// What was sealed and the socket has not taken, from `taken` on.
    sealed: Vec<u8>,
    taken: usize,
    /// Sending has failed. The stream is read to its end, and takes nothing more.
    write_failed: bool,
}

/// A handshake is in progress while its guard lives. The task that counts it waits at the other end; when that is closed, the
/// handshake has to end: it is late, or makes room for another one.
pub(crate) type HandshakeGuard = oneshot::Sender<()>;

impl Carrier {
    pub(super) fn new(dial: Dial, stream: Stream, peer: SocketAddr, handshake: Option<HandshakeGuard>) -> Self {
        Self { id: dial.transport, stream, peer, handshake, sealed: dial.bytes, taken: 0, write_failed: false }
    }

    /// The stream is proven: its handshake is over.
    pub(super) fn proven(self) -> Self {
        Self { handshake: None, ..self }
    }

    /// Whether its handshake has to end. If not, the task of `cx` is woken when it has to.
    pub(super) fn is_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        self.handshake.as_mut().is_some_and(|handshake| handshake.poll_closed(cx).is_ready())
    }

    /// Whether it has taken all that was sealed, and would take more.
    pub(super) fn takes_more(&self) -> bool {
        self.sealed.is_empty() && !self.write_failed
    }

    /// Whether it has not taken all that was sealed.
    pub(super) fn has_unsent(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Whether sending has failed.
    pub(super) fn has_write_failed(&self) -> bool {
        self.write_failed
    }

    /// Memory that its buffer takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.sealed.capacity()
    }

    /// Reads what has come. When sending has failed, nothing more will come, so the end or an error follows what is there.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.write_failed {
            // The runtime may not have heard yet that there is something to read, so it is not asked.
            return Poll::Ready(self.stream.recv_now(space));
        }
        self.stream.poll_recv(cx, space)
    }

    /// Sends what was sealed. Ready: whether the stream takes more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while let Some(rest) = self.sealed.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match self.stream.poll_send(cx, rest) {
                Poll::Ready(Ok(sent)) => self.taken += sent,
                Poll::Ready(Err(_)) => self.fail_writing(cx),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.sealed = Vec::new();
        self.taken = 0;
        Poll::Ready(!self.write_failed)
    }

    /// Sends what the socket takes now, and keeps the rest.
    pub(super) fn queue(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut rest = bytes;
        while self.takes_more() && !rest.is_empty() {
            match self.stream.poll_send(cx, rest) {
                Poll::Ready(Ok(sent)) => rest = rest.get(sent..).unwrap_or_default(),
                Poll::Ready(Err(_)) => self.fail_writing(cx),
                Poll::Pending => break,
            }
        }
        if !self.write_failed {
            self.sealed.extend_from_slice(rest);
        }
    }

    /// What is still to be sent goes nowhere. The task of `cx` has to read the stream to its end.
    fn fail_writing(&mut self, cx: &mut Context<'_>) {
        self.write_failed = true;
        self.sealed = Vec::new();
        self.taken = 0;
        cx.waker().wake_by_ref();
    }

    /// Ends the sending side, and says whether the peer's machine has all that was sent.
    pub(super) fn finish(&self) -> bool {
        self.takes_more() && self.stream.finish()
    }
}
