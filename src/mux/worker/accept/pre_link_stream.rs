//! A session that has no link yet, as a byte stream: the server handshake goes over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fastway_session::AbortReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mux::link::LinkSession;
use crate::mux::worker::core::Core;
use crate::mux::worker::shared_core::SharedCore;

/// The byte stream of a session without a link.
pub(super) struct PreLinkStream<'a> {
    pub(super) core: &'a SharedCore,
    pub(super) session: &'a mut LinkSession,
}

impl AsyncRead for PreLinkStream<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { core, session } = self.get_mut();
        loop {
            let taken = session.take_ahead(buffer.initialize_unfilled());
            if taken > 0 || session.is_waiting() {
                buffer.advance(taken);
                return Poll::Ready(Ok(()));
            }
            ready!(core.borrow_mut().poll_pre_link(session, cx));
        }
    }
}

impl AsyncWrite for PreLinkStream<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { core, session } = self.get_mut();
        session.say(bytes);
        core.borrow_mut().send_pre_link(session, cx);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Core {
    /// Reads for a session that has no link yet.
    pub(super) fn poll_pre_link(&mut self, session: &mut LinkSession, cx: &mut Context<'_>) -> Poll<()> {
        session.poll_read_ahead(cx, &mut self.buffers.scratch, self.clock.read())
    }

    /// Sends what such a session has to say.
    fn send_pre_link(&mut self, session: &mut LinkSession, cx: &mut Context<'_>) {
        session.send_due(self.clock.read(), cx, &mut self.buffers.sealed);
    }

    /// Ends such a session; its peer is told.
    pub(super) fn abort_pre_link(&mut self, session: &mut LinkSession, reason: AbortReason) {
        session.abort(reason, &mut self.buffers.sealed, self.clock.read());
    }
}
