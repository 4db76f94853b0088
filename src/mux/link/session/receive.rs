//! From the streams of a session to its link.

use std::task::{Context, Poll};
use std::time::Instant;

use fastway_session::{Fault, Protocol, ReplayBuffer, Session, TransportId};

use super::LinkSession;
use super::carrier::Carrier;
use super::read_ahead::Next;
use super::unacked::Unacked;

/// What reading a stream gave.
struct Read {
    id: TransportId,
    bytes: usize,
    outcome: Outcome,
}

enum Outcome {
    Goes,
    /// It ended or failed.
    Lost,
    /// The session wants no more of it.
    Faulty,
}

impl LinkSession {
    /// Reads what came, at most `limit` bytes of it, and leaves the stream's new bytes at the front of `scratch`. 0 is not
    /// the end: what came may have been for the session itself.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
        now: Instant,
    ) -> Poll<usize> {
        if !self.read_ahead.is_empty() {
            let space = limit.min(scratch.len());
            return Poll::Ready(self.take_ahead(scratch.get_mut(..space).unwrap_or_default()));
        }
        self.poll_streams(cx, scratch, limit, true, now)
    }

    /// Reads for a link that is not to be read now, or that there is not yet, and keeps what came; pending as well when
    /// there is enough of it. A candidate can prove itself even then.
    pub(crate) fn poll_read_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], now: Instant) -> Poll<()> {
        let next = self.read_ahead.next(self.awaits_acks, self.is_pressed());
        if next != Next::Anything && self.is_read_in_vain() {
            self.drop_stream(now);
            return Poll::Ready(());
        }

        let polled = match next {
            Next::Anything => self.poll_streams(cx, scratch, Next::ANYTHING_BYTES, true, now),
            Next::Proofs => self.poll_streams(cx, scratch, Next::PROOF_BYTES, false, now),
            Next::Nothing => Poll::Pending,
        };
        polled.map(|bytes| self.read_ahead.push(scratch.get(..bytes).unwrap_or_default()))
    }

    /// Takes bytes that were read ahead.
    pub(crate) fn take_ahead(&mut self, space: &mut [u8]) -> usize {
        self.read_ahead.take(space)
    }

    /// Whether bytes are there that were read before the link was.
    pub(crate) fn has_read_ahead(&self) -> bool {
        !self.read_ahead.is_empty()
    }

    /// Whether so much is not acknowledged that the peer may soon be closed as slow, for acknowledgements that may stand
    /// behind what it has sent.
    pub(super) fn is_pressed(&self) -> bool {
        self.unacked.len() > self.most_unacked / 2
    }

    /// Whether the live stream is of no more use once as much is read ahead as may be: it takes nothing more, or the
    /// acknowledgements that the link waits for stand behind more than that. The first record of the next stream brings
    /// these.
    fn is_read_in_vain(&self) -> bool {
        let misses_acks = self.awaits_acks && self.protocol == Protocol::Secure;
        self.live.as_ref().is_some_and(|live| misses_acks || live.has_write_failed())
    }

    /// Reads the first stream that has something: a candidate, or the live one if that is to be read.
    fn poll_streams(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        limit: usize,
        reads_live: bool,
        now: Instant,
    ) -> Poll<usize> {
        let Self { session, unacked, candidates, live, .. } = self;
        let before = unacked.len();
        let mut streams = candidates.iter_mut().chain(live.as_mut().filter(|_| reads_live));
        let read = streams.find_map(|carrier| match read(session, unacked, carrier, cx, scratch, limit, now) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        });

        let Some(read) = read else { return Poll::Pending };
        self.acknowledged |= self.unacked.len() < before;
        match read.outcome {
            Outcome::Goes => {}
            Outcome::Lost => self.lost(read.id, now),
            Outcome::Faulty => {
                // It may have proven itself before.
                self.settle();
                self.drop_carrier(read.id);
            }
        }
        self.settle();
        Poll::Ready(read.bytes)
    }
}

/// Reads one stream of a session.
fn read(
    session: &mut Session,
    unacked: &mut Unacked,
    carrier: &mut Carrier,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
    limit: usize,
    now: Instant,
) -> Poll<Read> {
    let id = carrier.id;
    if carrier.is_cancelled(cx) {
        return Poll::Ready(Read { id, bytes: 0, outcome: Outcome::Lost });
    }
    // A peer that takes nothing more may have sent something before.
    let _taken_or_not = carrier.poll_flush(cx);

    let space = session.read_into(id, scratch);
    let most = space.len().min(limit);
    match carrier.poll_read(cx, space.get_mut(..most).unwrap_or_default()) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Read { id, bytes: 0, outcome: Outcome::Lost }),
        Poll::Ready(Ok(count)) => {
            let received = session.receive_read(id, scratch, count, now, unacked);
            let outcome = match received.fault {
                None | Some(Fault::Over(_)) => Outcome::Goes,
                Some(_) => Outcome::Faulty,
            };
            Poll::Ready(Read { id, bytes: received.bytes, outcome })
        }
    }
}
