//! The byte stream under a link: one stream to the peer, or a session over one stream after another.
//!
//! A link receives from it into the worker's scratch buffer and sends out of its outbox. Routing does not see the
//! difference.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fastway_session::Protocol;
use fastway_transport::{Stream, TransportKind};

use super::{CloseReason, Outbox, SessionTransport};
use crate::pool::LocalPool;

/// Segments of an outbox that one vectored write takes.
const SLICES_PER_WRITE: usize = 64;

/// A byte stream to a peer.
#[derive(Debug)]
pub enum Transport {
    /// Without a session.
    Plain(Stream),
    /// A session. What happens to it is told by its events, never by an error.
    Session(Box<SessionTransport>),
}

impl Transport {
    /// What carries the bytes.
    pub fn kind(&self) -> TransportKind {
        self.stream().map_or(TransportKind::Tcp, Stream::kind)
    }

    /// What the bytes are.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Plain(_) => Protocol::Plain,
            Self::Session(session) => session.protocol(),
        }
    }

    /// The stream that carries it now.
    fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Session(session) => session.stream(),
        }
    }

    /// The session, if it is one.
    #[inline]
    pub fn session(&self) -> Option<&SessionTransport> {
        match self {
            Self::Plain(_) => None,
            Self::Session(session) => Some(session),
        }
    }

    /// The round-trip time as the system has smoothed it; `None`: it is not known yet.
    pub fn round_trip(&self) -> Option<Duration> {
        self.stream()?.round_trip()
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
            Self::Plain(stream) => match ready!(stream.poll_recv(cx, scratch.get_mut(..limit).unwrap_or_default()))? {
                0 => Poll::Ready(Err(CloseReason::EndOfStream)),
                bytes => Poll::Ready(Ok(bytes)),
            },
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
            Self::Plain(stream) => poll_send_all(stream, cx, outbox, pool),
            Self::Session(session) => session.poll_send(cx, outbox, pool, sealed).map(Ok),
        }
    }

    /// What the system found wrong with the stream, if anything. A session survives that.
    pub fn failure(&self) -> Option<io::Error> {
        match self {
            Self::Plain(stream) => stream.take_error(),
            Self::Session(_) => None,
        }
    }

    /// Says something to a peer that is closed for its first bytes, as far as the system takes it at once.
    pub fn send_before_close(&mut self, bytes: &[u8]) {
        if let Self::Plain(stream) = self {
            // A peer that cannot be told finds its link closed all the same.
            let _ = stream.send_now(bytes);
        }
    }

    /// Ends the sending side and says whether the peer has all that was sent. Only then may the stream be dropped while
    /// the peer may still send.
    pub fn finish(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.finish(),
            Self::Session(session) => session.is_finished(),
        }
    }
}

#[inline]
fn poll_send_all(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    outbox: &mut Outbox,
    pool: &mut LocalPool,
) -> Poll<io::Result<()>> {
    while !outbox.is_empty() {
        let sent = match outbox.single() {
            Some(bytes) => ready!(stream.poll_send(cx, bytes))?,
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
                let filled = outbox.gather(&mut slices);
                ready!(stream.poll_send_vectored(cx, slices.get(..filled).unwrap_or_default()))?
            }
        };
        outbox.advance(pool, sent);
    }
    Poll::Ready(Ok(()))
}
