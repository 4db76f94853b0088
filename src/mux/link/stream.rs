//! The byte stream of a link: one stream to the peer, or a session over one stream after another.
//!
//! Whoever has a link does not ask which of the two it is. Each question about the difference is asked here, and answered in
//! one `match`.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use fastway_admin::observe::Waiting;
use fastway_session::{Names, Protocol, Resume, Session, Status};
use fastway_transport::{Stream, TransportKind};
use rand::CryptoRng;

use super::session::{HandshakeGuard, LinkSession, RefusedStream, SessionEvent};
use super::turn_clock::TurnClock;
use super::{CloseReason, Outbox};
use crate::mux::pool::LocalPool;

/// Segments of an outbox that one vectored write takes.
const SLICES_PER_WRITE: usize = 64;

/// The byte stream of a link.
#[derive(Debug)]
pub(crate) enum LinkStream {
    /// One stream, without a session: its end is the end of the link.
    Plain(Stream),
    /// A session. What happens to it is told by its events, never by an error.
    Session(Box<LinkSession>),
}

/// What a link leaves behind.
#[derive(Debug)]
pub(crate) enum Remains {
    /// Nothing: it had no session.
    Nothing,
    /// The names of its session, which are to be forgotten.
    Names,
    /// Its session, whose peer may come once more to learn how it has ended.
    Session(Session),
}

impl LinkStream {
    /// What carries the bytes, or has carried them last.
    pub(crate) fn transport(&self) -> TransportKind {
        match self {
            Self::Plain(stream) => stream.kind(),
            Self::Session(session) => session.transport(),
        }
    }

    /// What the bytes are.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Plain(_) => Protocol::Plain,
            Self::Session(session) => session.protocol(),
        }
    }

    /// The names by which it can be resumed now, if it can.
    pub(crate) fn names(&self) -> Option<Names> {
        match self {
            Self::Plain(_) => None,
            Self::Session(session) => Some(session.names()),
        }
    }

    /// The round-trip time as the system has smoothed it; `None`: it is not known yet.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        match self {
            Self::Plain(stream) => stream.round_trip(),
            Self::Session(session) => session.stream()?.round_trip(),
        }
    }

    /// Receives up to `limit` bytes into `scratch`. 0 is not the end of the stream, which is an error. Pending wakes the
    /// task of `cx` when there is more.
    #[inline]
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
        clock: &TurnClock,
    ) -> Poll<Result<usize, CloseReason>> {
        match self {
            Self::Plain(stream) => match ready!(stream.poll_recv(cx, scratch.get_mut(..limit).unwrap_or_default()))? {
                0 => Poll::Ready(Err(CloseReason::EndOfStream)),
                bytes => Poll::Ready(Ok(bytes)),
            },
            Self::Session(session) => session.poll_recv(cx, scratch, limit, clock.now()).map(Ok),
        }
    }

    /// Reads though the link is not to be read, for what a session's peer acknowledges: without that, nothing more could be
    /// sent to it. Ready when something was read.
    pub(crate) fn poll_read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], clock: &TurnClock) -> Poll<()> {
        match self {
            Self::Plain(_) => Poll::Pending,
            Self::Session(session) => session.poll_read_ahead(cx, scratch, clock.now()),
        }
    }

    /// Sends all of `outbox`, many segments in one call. Pending: the rest stays there, and the task of `cx` is woken
    /// when there is room. A session leaves there what it cannot keep, or has no stream for; it seals into `sealed`.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
        sealed: &mut Vec<u8>,
        clock: &TurnClock,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => poll_send_all(stream, cx, outbox, pool),
            Self::Session(session) => session.poll_send(cx, outbox, pool, sealed, clock.now()).map(Ok),
        }
    }

    /// Sends the acknowledgements that are due by that time. Pending: the stream has not taken all, and the task of `cx` is
    /// woken when it takes more.
    pub(crate) fn send_acks(&mut self, by: Instant, cx: &mut Context<'_>, sealed: &mut Vec<u8>) -> Poll<()> {
        match self {
            Self::Plain(_) => Poll::Ready(()),
            Self::Session(session) => session.send_acks(by, cx, sealed),
        }
    }

    /// Bounds the bytes that a session keeps to send them again.
    pub(crate) fn set_most_unacked(&mut self, bytes: usize) {
        match self {
            Self::Plain(_) => {}
            Self::Session(session) => session.set_most_unacked(bytes),
        }
    }

    /// Says something to a peer that is closed for its first bytes, as far as the system takes it at once.
    pub(crate) fn send_before_close(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(stream) => {
                // A peer that cannot be told finds its link closed all the same.
                let _ = stream.send_now(bytes);
            }
            Self::Session(_) => {}
        }
    }

    /// What the system found wrong with the stream, if anything. A session survives that.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        match self {
            Self::Plain(stream) => stream.take_error(),
            Self::Session(_) => None,
        }
    }

    /// Whether it has no stream, and waits for one.
    pub(crate) fn is_interrupted(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Session(session) => session.is_waiting(),
        }
    }

    /// What the peer has not acknowledged, and which may have to be sent again.
    #[inline]
    pub(crate) fn unacked(&self) -> Waiting {
        match self {
            Self::Plain(_) => Waiting::default(),
            Self::Session(session) => session.unacked(),
        }
    }

    /// Whether bytes are there that were read before the link was.
    #[inline]
    pub(crate) fn has_read_ahead(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Session(session) => session.has_read_ahead(),
        }
    }

    /// Memory that it takes, in bytes. `None`: it waits for a stream, so it is bounded with others like it.
    #[inline]
    pub(crate) fn held_bytes(&self) -> Option<usize> {
        match self {
            Self::Plain(_) => Some(0),
            Self::Session(session) => (!session.is_waiting()).then(|| session.held_bytes()),
        }
    }

    /// Whether it is read while the link closes: the peer of a session acknowledges what it gets.
    #[inline]
    pub(crate) fn is_read_while_closing(&self, peer_sends: bool) -> bool {
        match self {
            Self::Plain(_) => peer_sends,
            Self::Session(_) => true,
        }
    }

    /// The link is not read until the peer has acknowledged answers to its own requests, or is read again.
    pub(crate) fn set_awaits_acks(&mut self, awaits: bool) {
        match self {
            Self::Plain(_) => {}
            Self::Session(session) => session.set_awaits_acks(awaits),
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        match self {
            Self::Plain(_) => {}
            Self::Session(session) => session.tick(now),
        }
    }

    /// The stream is silent, or takes nothing, for too long. A session goes on without it, as its peer may be where the stream
    /// cannot follow; says whether it does.
    pub(crate) fn outlives_stream(&mut self, now: Instant) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Session(session) => {
                session.drop_stream(now);
                true
            }
        }
    }

    /// Gives up memory that is not needed now. `is_quiet`: nothing was sent for a while.
    pub(crate) fn trim(&mut self, is_quiet: bool) {
        match self {
            Self::Plain(_) => {}
            Self::Session(session) => session.trim(is_quiet),
        }
    }

    /// Begins the end of the stream behind what waits. Says whether that is something to send.
    pub(crate) fn close(&mut self, reason: &CloseReason, outbox: &mut Outbox, pool: &mut LocalPool) -> bool {
        match self {
            // Its end is seen once nothing waits.
            Self::Plain(_) => false,
            Self::Session(session) => {
                match reason {
                    CloseReason::EndOfStream => session.close(outbox, pool),
                    _ => session.abort_when_sent(reason.abort_reason()),
                }
                true
            }
        }
    }

    /// Ends the stream at once; the peer is told why if there are words for it, and if it takes them.
    pub(crate) fn abort(&mut self, reason: &CloseReason, sealed: &mut Vec<u8>, clock: &TurnClock) {
        match self {
            Self::Plain(_) => {}
            Self::Session(session) => session.abort(reason.abort_reason(), sealed, clock.now()),
        }
    }

    /// Ends the sending side of a closing link once nothing waits for the peer, and says whether the stream may be dropped:
    /// the peer has all, or cannot send any more.
    pub(crate) fn is_finished(&self, outbox: &Outbox, peer_sends: bool) -> bool {
        match self {
            Self::Plain(stream) => outbox.is_empty() && (stream.finish() || !peer_sends),
            Self::Session(session) => session.is_finished(),
        }
    }

    /// If a resume is genuine, its session waits for it until then. Says whether it is also known to be the newest.
    pub(crate) fn keep_for_resume(&mut self, resume: &Resume, until: Instant, rng: &mut impl CryptoRng) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Session(session) => session.keep_for_resume(resume, until, rng),
        }
    }

    /// Goes on by another stream, once that is proven.
    ///
    /// # Errors
    /// It has to be refused; the session, if there is one, is as before.
    pub(crate) fn resume(
        &mut self,
        resume: &Resume,
        (stream, peer): (Stream, SocketAddr),
        handshake: HandshakeGuard,
        (outbox, pool): (&mut Outbox, &mut LocalPool),
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(), RefusedStream> {
        match self {
            Self::Plain(_) => Err(RefusedStream { stream, status: Status::Unknown }),
            Self::Session(session) => session.resume(resume, (stream, peer), handshake, (outbox, pool), now, rng),
        }
    }

    /// What happened, oldest first.
    pub(crate) fn next_event(&mut self) -> Option<SessionEvent> {
        match self {
            Self::Plain(_) => None,
            Self::Session(session) => session.next_event(),
        }
    }

    /// What is left for the peer to find.
    pub(crate) fn into_remains(self) -> Remains {
        match self {
            Self::Plain(_) => Remains::Nothing,
            Self::Session(session) => session.into_ended().map_or(Remains::Names, Remains::Session),
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
