//! From a socket to the outboxes: reads a link, and has what it sent routed.

use std::task::{Context, Poll, ready};

use fastway_service::wake::wake_after_look;
use fastway_session::Protocol;
use fastway_wire::split_frame;

use super::core::Core;
use super::forwarding::{Routed, Sender};
use crate::mux::accept::first_bytes::Mistake;
use crate::mux::config::{Settings, Startup};
use crate::mux::link::{CloseReason, Link, State};
use crate::mux::routing::{LinkAddr, Role, Side, Slot};

/// Reads that a link may do before the other links of the worker have their turn.
const READS_PER_WAKE: usize = 2;
/// Bytes that one read takes from a client of a server that is congested, and from any while memory is short, so that
/// those who feed it stop soon.
const CONGESTED_READ_BYTES: usize = 4 << 10;

/// What a read of an open link has brought: the first bytes of the scratch.
struct Read {
    addr: LinkAddr,
    side: Side,
    bytes: usize,
    /// Whether the link's inbox has the beginning of their first frame.
    has_partial: bool,
    /// Why they cannot be what the link's protocol begins with.
    mistake: Option<Mistake>,
}

impl Core {
    /// The body of a link's task: sends what the transport now takes, reads what there is. Ready when the link is gone.
    pub(super) fn poll_link(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<()> {
        self.clock.restart();
        let Some(link) = self.link(addr) else { return Poll::Ready(()) };
        link.register(cx.waker());
        if link.blocked {
            self.flush(addr.slot);
        }

        for _ in 0..READS_PER_WAKE {
            match self.poll_receive(addr, cx) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(reason))) => self.end(addr.slot, &reason),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        // There may be more to read, but the other links come first.
        wake_after_look(cx.waker());
        Poll::Pending
    }

    /// Reads once, and has that routed. Pending: there is nothing to read, or the link must not be read now. `None`: the link
    /// is gone.
    fn poll_receive(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<Option<Result<(), CloseReason>>> {
        let most = self.most_bytes(addr);
        let is_limited = self.settings.limits.max_bytes_per_second.is_some();

        let Some(link) = self.links.at_mut(addr) else { return Poll::Ready(None) };
        let limit = most.and_then(|most| link.may_read(most, self.stop.is_reading(), is_limited));
        let Some(limit) = limit else { return self.read_ahead(addr, cx).map(|()| Some(Ok(()))) };

        let outcome = match ready!(link.poll_recv(cx, &mut self.buffers.scratch, limit, &self.clock)) {
            Err(reason) => Err(reason),
            // What a peer still sends while its link closes is dropped.
            Ok(_) if link.state != State::Open => Ok(()),
            // A session has read something, and nothing for its link.
            Ok(0) => {
                link.watch.heard = true;
                Ok(())
            }
            Ok(bytes) => {
                let input = self.buffers.scratch.get(..bytes).unwrap_or_default();
                let is_first = link.traffic.received_bytes == 0;
                let mistake = if is_first { mistake(&self.startup, &self.settings, link, input) } else { None };
                link.note_read(bytes, is_limited, &self.clock);
                let (side, has_partial) = (link.role.side(), !link.inbox.is_empty());
                self.route(Read { addr, side, bytes, has_partial, mistake })
            }
        };
        self.after_io(addr.slot);
        Poll::Ready(Some(outcome))
    }

    /// The most that may be read from a link now, if it is read at all; `None`: it waits for memory.
    #[inline]
    fn most_bytes(&mut self, addr: LinkAddr) -> Option<usize> {
        if self.waits_for_memory(addr) {
            return None;
        }
        let is_congested =
            self.shared.memory.account.is_short() || self.forwarding.feeds_something_congested(addr.slot);
        Some(if is_congested { CONGESTED_READ_BYTES } else { self.buffers.scratch.len() })
    }

    /// Has a read routed, and pauses the link if that feeds something congested, or if its peer does not take the answers to
    /// its own requests.
    #[inline]
    fn route(&mut self, read: Read) -> Result<(), CloseReason> {
        let Read { addr, side, bytes, has_partial, mistake } = read;
        if let Some(mistake) = mistake {
            self.counters.received(side, bytes, 0, 0);
            return Err(mistake.into());
        }

        let input = self.buffers.scratch.get(..bytes).unwrap_or_default();
        let second = self.upkeep.swept().seconds();
        let from = Sender { slot: addr.slot, side, has_partial, second, clock: &self.clock };
        let mut routed = Routed::default();
        let outcome = self.forwarding.route(&mut self.links, from, input, &mut routed);
        self.counters.received(side, bytes, routed.frames, routed.forwarded);

        if let Some((link, bounds)) = self.links.with_bounds(addr.slot) {
            link.note_routed(bytes, routed.frames);
            // Now, and not when the link is judged after the flush: so it sends no more than one read beyond its bound.
            if bounds.has_unread_replies(link.waiting()) {
                link.pause_for_replies(true, &self.clock);
            }
        }
        if routed.pressure.is_some_and(|key| self.forwarding.pause(&mut self.links, addr, key, &self.clock)) {
            self.counters.source_paused();
        }
        outcome
    }

    /// Reads a link that is not to be read, as far as its stream has to be read all the same.
    fn read_ahead(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<()> {
        let reading = self.stop.is_reading();
        let link = self.links.at_mut(addr).filter(|link| reading && link.state == State::Open);
        let Some(link) = link else { return Poll::Pending };
        let polled = link.poll_read_ahead(cx, &mut self.buffers.scratch, &self.clock);
        if polled.is_ready() {
            self.after_io(addr.slot);
        }
        polled
    }

    /// A peer that ended its stream still gets what waits for it; any other reason closes the link at once.
    fn end(&mut self, slot: Slot, reason: &CloseReason) {
        match reason {
            CloseReason::EndOfStream => self.close_gently(slot, reason),
            CloseReason::Mistake(mistake) => {
                if let Some(link) = self.links.get_mut(slot) {
                    link.send_before_close(mistake.answer());
                }
                self.close(slot, reason);
            }
            _ => self.close(slot, reason),
        }
    }
}

/// Whether a plain client's first bytes begin no frame but something else.
#[cold]
fn mistake(startup: &Startup, settings: &Settings, link: &Link, first: &[u8]) -> Option<Mistake> {
    if link.role != Role::Client || link.protocol() != Protocol::Plain {
        return None;
    }
    match split_frame(first, startup.max_packet) {
        Ok(Some(_)) => None,
        _ => Mistake::in_frames(settings.client.kinds, Side::Client, first),
    }
}
