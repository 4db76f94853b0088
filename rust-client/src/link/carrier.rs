//! The stream under a link: a plain one, or a session.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::LinkEnd;
use crate::session::Shared;

/// The stream under a link, with what sessions do differently.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// The state that a session shares with the endpoint.
    fn session(&self) -> Option<Arc<Shared>> {
        None
    }

    /// Whether it can close one direction and continue in the other.
    fn half_closes(&self) -> bool {
        true
    }

    /// Makes progress that is due while the link is not read.
    fn poll_background(&mut self, _: &mut Context<'_>) {}

    /// Whether the stream has switched to another transport since the last call. The answer to a ping confirms it.
    fn has_new_transport(&mut self) -> bool {
        false
    }

    /// The gateway has been silent for too long. Returns whether the stream handles that, so that the link continues.
    fn replace_transport(&mut self) -> bool {
        false
    }

    /// Both sides have closed: waits until everything for the gateway is written, so that it can end as well.
    fn poll_final_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// The link has ended: sends the gateway what can be sent without waiting.
    fn ended(&mut self, _: &LinkEnd, _: &mut Context<'_>) {}
}

/// A stream whose end is the end of the link.
#[derive(Debug, Default)]
pub(crate) struct Plain<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier for Plain<S> {}

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
