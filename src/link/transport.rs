//! The byte stream under a link.
//!
//! A transport receives into the worker's scratch buffer and sends out of the link's outbox. Another one (a session,
//! TLS) offers the same two calls; routing does not see the difference.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Outbox;
use crate::pool::LocalPool;

/// Segments of an outbox that one vectored write takes.
const SLICES_PER_WRITE: usize = 64;

/// What carries the bytes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// TCP, without anything between it and the mux protocol.
    Tcp,
}

impl TransportKind {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; 1] = [Self::Tcp];

    /// Its place in [`TransportKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}

/// A TCP stream.
#[derive(Debug)]
pub struct Transport {
    stream: TcpStream,
}

impl Transport {
    /// Wraps an accepted stream.
    pub fn tcp(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// What it is.
    pub const fn kind(&self) -> TransportKind {
        TransportKind::Tcp
    }

    /// The round-trip time as the system has smoothed it; `None`: it is not known yet.
    pub fn round_trip(&self) -> Option<Duration> {
        fastway_sys::round_trip_time(&self.stream).ok().filter(|time| !time.is_zero())
    }

    /// Receives into `scratch`; 0 is the end of the stream. Pending wakes the task of `cx` when there is more.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Sends all of `outbox`, many segments in one call. Pending: the rest stays there, and the task of `cx` is woken
    /// when there is room.
    #[inline]
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
    ) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let sent = match outbox.single() {
                Some(bytes) => ready!(stream.poll_write(cx, bytes))?,
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
                    let filled = outbox.gather(&mut slices);
                    ready!(stream.poll_write_vectored(cx, slices.get(..filled).unwrap_or_default()))?
                }
            };
            outbox.advance(pool, sent);
        }
        Poll::Ready(Ok(()))
    }

    /// What the system found wrong with the stream, if anything.
    pub fn failure(&self) -> Option<io::Error> {
        self.stream.take_error().ok().flatten()
    }

    /// Ends the sending side and says whether the peer has all that was sent. Only then may the stream be dropped while
    /// the peer may still send: a byte that comes for a closed socket is answered with a reset, which takes what is on
    /// its way to the peer with it.
    pub fn finish(&self) -> bool {
        let _gone_already = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        !matches!(fastway_sys::unacknowledged_bytes(&self.stream), Ok(1..))
    }
}
