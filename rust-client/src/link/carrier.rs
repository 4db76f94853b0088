//! What carries a link's bytes: a plain stream, or a session.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::LinkEnd;
use crate::session::Shared;

/// What a link asks of the stream under it, besides reading and writing.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// What the endpoint shares with a session.
    fn session(&self) -> Option<Arc<Shared>> {
        None
    }

    /// Whether it can end in one direction and go on in the other.
    fn half_closes(&self) -> bool {
        true
    }

    /// Does what has to be done while the link is not read.
    fn poll_background(&mut self, _: &mut Context<'_>) {}

    /// Whether the stream goes on by another transport than it did when this was asked last. The gateway's answer to a ping
    /// shows that it does, too.
    fn has_new_transport(&mut self) -> bool {
        false
    }

    /// The gateway has been silent for too long. Says whether the stream sees to that, so that the link can live on.
    fn revive(&mut self) -> bool {
        false
    }

    /// Both sides have closed: waits until the gateway can know that this side knows.
    fn poll_farewell(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// The link has ended; the gateway is told what can be told without waiting.
    fn ended(&mut self, _: &LinkEnd, _: &mut Context<'_>) {}
}

/// A stream whose end is the link's end.
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
