//! The byte stream under a link.
//!
//! A transport receives into the worker's scratch buffer and sends out of the link's outbox. A session over TCP offers
//! the same calls as TCP itself; routing does not see the difference.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fastway_session::Protocol;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{CloseReason, Outbox, SessionTransport};
use crate::pool::LocalPool;

/// Segments of an outbox that one vectored write takes.
const SLICES_PER_WRITE: usize = 64;

/// What carries the bytes of a link, whatever its protocol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// TCP.
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

/// A byte stream to a peer.
#[derive(Debug)]
pub enum Transport {
    /// TCP alone.
    Tcp(TcpStream),
    /// A session over TCP. What happens to it is told by its events, never by an error.
    Session(Box<SessionTransport>),
}

impl Transport {
    /// What carries the bytes.
    pub fn kind(&self) -> TransportKind {
        match self {
            Self::Tcp(_) | Self::Session(_) => TransportKind::Tcp,
        }
    }

    /// What the bytes are.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp(_) => Protocol::Plain,
            Self::Session(session) => session.protocol(),
        }
    }

    /// The TCP stream that carries it now.
    fn stream(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Session(session) => session.stream(),
        }
    }

    /// The session, if it is one.
    #[inline]
    pub fn session(&self) -> Option<&SessionTransport> {
        match self {
            Self::Tcp(_) => None,
            Self::Session(session) => Some(session),
        }
    }

    /// The round-trip time as the system has smoothed it; `None`: it is not known yet.
    pub fn round_trip(&self) -> Option<Duration> {
        fastway_sys::round_trip_time(self.stream()?).ok().filter(|time| !time.is_zero())
    }

    /// Receives up to `limit` bytes into `scratch`. 0 is not the end of the stream, which is an error. Pending wakes the
    /// task of `cx` when there is more.
    #[inline]
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
    ) -> Poll<Result<usize, CloseReason>> {
        match self {
            Self::Tcp(stream) => {
                let mut buffer = ReadBuf::new(scratch.get_mut(..limit).unwrap_or_default());
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                match buffer.filled().len() {
                    0 => Poll::Ready(Err(CloseReason::EndOfStream)),
                    bytes => Poll::Ready(Ok(bytes)),
                }
            }
            Self::Session(session) => session.poll_recv(cx, scratch, limit).map(Ok),
        }
    }

    /// Sends all of `outbox`, many segments in one call. Pending: the rest stays there, and the task of `cx` is woken
    /// when there is room. A session leaves there what it cannot keep, or has no stream for; it seals into `sealed`.
    #[inline]
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
        sealed: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => poll_send_all(stream, cx, outbox, pool),
            Self::Session(session) => session.poll_send(cx, outbox, pool, sealed).map(Ok),
        }
    }

    /// What the system found wrong with the stream, if anything. A session survives that.
    pub fn failure(&self) -> Option<io::Error> {
        match self {
            Self::Tcp(stream) => stream.take_error().ok().flatten(),
            Self::Session(_) => None,
        }
    }

    /// Says something to a peer that is closed for its first bytes, as far as the system takes it at once.
    pub fn send_before_close(&self, bytes: &[u8]) {
        if let Self::Tcp(stream) = self {
            // A peer that cannot be told finds its link closed all the same.
            let _ = stream.try_write(bytes);
        }
    }

    /// Ends the sending side and says whether the peer has all that was sent. Only then may the stream be dropped while
    /// the peer may still send: a byte that comes for a closed socket is answered with a reset, which takes what is on
    /// its way to the peer with it.
    pub fn finish(&self) -> bool {
        match self {
            Self::Tcp(stream) => {
                let _gone_already = SockRef::from(stream).shutdown(Shutdown::Write);
                !matches!(fastway_sys::unacknowledged_bytes(stream), Ok(1..))
            }
            Self::Session(session) => session.is_finished(),
        }
    }
}

#[inline]
fn poll_send_all(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    outbox: &mut Outbox,
    pool: &mut LocalPool,
) -> Poll<io::Result<()>> {
    while !outbox.is_empty() {
        let stream = Pin::new(&mut *stream);
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
