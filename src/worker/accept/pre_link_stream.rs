//! A session that has no link yet, as a byte stream: the server handshake goes over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::link::SessionTransport;
use crate::worker::shared_core::SharedCore;

/// The byte stream of a session without a link, for the server handshake.
pub(in crate::worker) struct EarlyStream<'a> {
    pub(in crate::worker) core: &'a SharedCore,
    pub(in crate::worker) session: &'a mut SessionTransport,
}

impl AsyncRead for EarlyStream<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { core, session } = self.get_mut();
        loop {
            let taken = session.take_early(buffer.initialize_unfilled());
            if taken > 0 || session.is_waiting() {
                buffer.advance(taken);
                return Poll::Ready(Ok(()));
            }
            ready!(core.borrow_mut().poll_early(session, cx));
        }
    }
}

impl AsyncWrite for EarlyStream<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { core, session } = self.get_mut();
        session.say(bytes);
        session.send_due(Instant::now(), cx, &mut core.borrow_mut().sealed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
