//! From a link to the streams of its session.

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use fastway_session::{AbortReason, ReplayBuffer};

use super::carrier::Carrier;
use super::{LinkSession, SEALED_AT_ONCE};
use crate::mux::link::Outbox;
use crate::mux::pool::LocalPool;

impl LinkSession {
    /// Seals and sends what waits, until the stream takes no more (pending: the task of `cx` is woken when it does), the
    /// bound of what is kept is reached, or nothing is left.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        pool: &mut LocalPool,
        sealed: &mut Vec<u8>,
        now: Instant,
    ) -> Poll<()> {
        while self.live.is_some() {
            match self.poll_flush(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => break,
                Poll::Pending => return Poll::Pending,
            }
            self.unacked.take(outbox, pool, SEALED_AT_ONCE, self.most_unacked);
            if !self.seal(now, sealed) && !self.send_pending_abort(outbox, sealed, now) {
                break;
            }
            if let Some(live) = &mut self.live {
                live.queue(cx, sealed);
            }
        }

        self.settle();
        if self.read_ahead.may_grow(self.awaits_acks, self.is_pressed()) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    }

    /// Sends what is due by `now`, an acknowledgement for instance, as far as the stream takes it.
    pub(crate) fn send_due(&mut self, now: Instant, cx: &mut Context<'_>, sealed: &mut Vec<u8>) {
        if self.poll_flush(cx) == Poll::Ready(true)
            && self.seal(now, sealed)
            && let Some(live) = &mut self.live
        {
            live.queue(cx, sealed);
        }
        self.settle();
    }

    /// Sends the acknowledgements that are due by that time. The worker has no note of further ones. Pending: the stream has not
    /// taken all that was sealed, and the task of `cx` is woken when it takes more.
    pub(crate) fn send_acks(&mut self, by: Instant, cx: &mut Context<'_>, sealed: &mut Vec<u8>) -> Poll<()> {
        self.ack_scheduled = false;
        self.send_due(by, cx, sealed);
        if self.live.as_ref().is_some_and(Carrier::has_unsent) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Bounds the bytes that are kept to be sent again. What is kept beyond that was sent before, and leaves as it is
    /// acknowledged. Where there may be more, that comes with the next acknowledgement: it was the bound that held up the rest.
    pub(crate) fn set_most_unacked(&mut self, bytes: usize) {
        self.most_unacked = bytes;
        self.read_ahead.set_most_unacked(bytes);
    }

    /// Adds bytes of the gateway's own to the stream, before there is an outbox.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.unacked.extend(bytes);
    }

    /// Whether sending would send something: the stream takes more, and there is more.
    pub(crate) fn wants_to_send(&self, outbox: &Outbox, now: Instant) -> bool {
        let takes = self.live.as_ref().is_some_and(Carrier::takes_more);
        let has_room = !outbox.is_empty() && self.unacked.len() < self.most_unacked;
        let goes_on = self.session.end().is_none();
        takes && (goes_on && (has_room || self.pending_abort.is_some()) || self.session.has_output(now, &self.unacked))
    }

    /// Ends this direction behind what waits; it is over when the peer has all.
    pub(crate) fn close(&mut self, outbox: &mut Outbox, pool: &mut LocalPool) {
        self.most_unacked = usize::MAX;
        self.unacked.take(outbox, pool, usize::MAX, usize::MAX);
        self.session.close();
    }

    /// Ends the session when all that waits is sent.
    pub(crate) fn abort_when_sent(&mut self, reason: AbortReason) {
        self.most_unacked = usize::MAX;
        self.pending_abort = Some(reason);
    }

    /// Ends the session at once; the peer is told if the stream takes it.
    pub(crate) fn abort(&mut self, reason: AbortReason, sealed: &mut Vec<u8>, now: Instant) {
        self.session.abort(reason);
        let cx = &mut Context::from_waker(Waker::noop());
        if self.poll_flush(cx) == Poll::Ready(true)
            && self.seal(now, sealed)
            && let Some(live) = &mut self.live
        {
            live.queue(cx, sealed);
        }
    }

    /// Whether the peer has all that it can be given: the session is over, and its stream is empty.
    pub(crate) fn is_finished(&self) -> bool {
        match &self.live {
            // A peer that comes back in time gets what waits for it, and is told why that was all.
            None => self.session.end().is_some(),
            Some(live) => self.session.end().is_some() && live.finish(),
        }
    }

    /// Ready: whether there is a stream that takes more, and has taken all that was sealed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.live.as_mut().map_or(Poll::Ready(false), |live| live.poll_flush(cx))
    }

    /// Whether there was something to seal.
    fn seal(&mut self, now: Instant, sealed: &mut Vec<u8>) -> bool {
        sealed.clear();
        self.session.send(now, &mut self.unacked, sealed, SEALED_AT_ONCE);
        !sealed.is_empty()
    }

    /// When everything is sent and the session is to be aborted then, does so.
    fn send_pending_abort(&mut self, outbox: &Outbox, sealed: &mut Vec<u8>, now: Instant) -> bool {
        let Some(reason) = self.pending_abort.take_if(|_| outbox.is_empty()) else { return false };
        self.session.abort(reason);
        self.seal(now, sealed)
    }
}
