//! From a socket to the outboxes: reads a link, and has what it sent routed.

use std::task::{Context, Poll};

use fastway_service::wake::wake_after_look;
use fastway_session::Protocol;
use fastway_wire::split_frame;

use super::backpressure::Bottleneck;
use super::core::Core;
use super::forwarding::{Routed, Sender};
use crate::mux::accept::first_bytes::Mistake;
use crate::mux::config::LinkKinds;
use crate::mux::link::{CloseReason, Link, State, WaitReason};
use crate::mux::routing::{LinkAddr, Role, Side, Slot};

/// Reads that a link may do before the other links of the worker have their turn.
const READS_PER_WAKE: usize = 2;
/// Bytes that one read takes from a client of a server that is congested, and from any while memory is short, so that
/// those who feed it stop soon.
const CONGESTED_READ_BYTES: usize = 4 << 10;

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
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => self.end(addr.slot, &reason),
                Poll::Pending if self.link(addr).is_some() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
            }
        }
        wake_after_look(cx.waker());
        Poll::Pending
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

    /// Reads once. Pending when there is nothing to read, or when the link must not be read now.
    fn poll_receive(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let Some(limit) = self.read_limit(addr) else { return self.read_ahead(addr, cx).map(Ok) };
        let Some(link) = self.links.at_mut(addr) else { return Poll::Pending };
        let polled = link.poll_recv(cx, &mut self.buffers.scratch, limit, &self.clock);
        let result = polled.map(|received| received.and_then(|bytes| self.received(addr, bytes)));
        if result.is_ready() && self.link(addr).is_some() {
            self.after_io(addr.slot);
        }
        result
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

    /// How many bytes may be read from a link now; `None`: it is not to be read.
    #[inline]
    fn read_limit(&mut self, addr: LinkAddr) -> Option<usize> {
        if self.waits_for_memory(addr) {
            return None;
        }
        let is_congested =
            self.shared.memory.account.is_short() || self.forwarding.feeds_something_congested(addr.slot);
        let most = if is_congested { CONGESTED_READ_BYTES } else { self.buffers.scratch.len() };
        let limited = self.settings.limits.max_bytes_per_second.is_some();
        let reading = self.stop.is_reading();
        let link = self.link(addr).filter(|link| link.is_read(reading))?;
        let limit = link.read_limit.bytes().min(most);
        match link.state {
            State::Open if limited && link.role == Role::Client => link.watch.within_allowance(limit),
            _ => Some(limit),
        }
    }

    /// Takes in what a read has brought, the first bytes of the scratch.
    fn received(&mut self, addr: LinkAddr, bytes: usize) -> Result<(), CloseReason> {
        let limited = self.settings.limits.max_bytes_per_second.is_some();
        let input = self.buffers.scratch.get(..bytes).unwrap_or_default();
        let link = self.links.at_mut(addr).filter(|link| link.state == State::Open);
        let Some(link) = link else { return Ok(()) };
        let side = link.role.side();
        link.watch.heard = true;
        if input.is_empty() {
            return Ok(());
        }
        link.watch.spend(input.len());
        if limited && link.watch.allowance == 0 && side == Side::Client {
            link.waits.begin(WaitReason::ByteRate, &self.clock);
        }
        let is_first = link.traffic.received_bytes == 0;
        link.traffic.received_bytes += input.len() as u64;
        if is_first && let Some(mistake) = mistake(self.startup.max_packet, self.startup.kinds.client, link, input) {
            self.counters.received(side, bytes, 0, 0);
            return Err(mistake.into());
        }

        let from = Sender { slot: addr.slot, side, second: self.upkeep.swept().seconds(), clock: &self.clock };
        let mut routed = Routed::default();
        let outcome = self.forwarding.route(&mut self.links, from, input, &mut routed);

        if let Some(link) = self.links.at_mut(addr) {
            link.traffic.received_frames += routed.frames;
            link.note_partial();
            if side == Side::Client {
                link.read_limit.adapt(bytes, routed.frames);
            }
        }
        self.counters.received(side, bytes, routed.frames, routed.forwarded);
        self.pause_reading(addr, routed.pressure);
        outcome
    }

    /// Pauses a link that feeds something congested, and one that does not take the answers to its own requests: at once,
    /// not when it is judged after the flush, so that it sends no more than one read beyond that.
    fn pause_reading(&mut self, addr: LinkAddr, pressure: Option<Bottleneck>) {
        let Some((link, bounds)) = self.links.with_bounds(addr.slot) else { return };
        if bounds.has_unread_replies(link.waiting()) {
            link.pause_for_replies(true, &self.clock);
        }
        if pressure.is_some_and(|key| self.forwarding.pause(&mut self.links, addr, key, &self.clock)) {
            self.counters.source_paused();
        }
    }
}

/// Whether a plain client's first bytes begin no frame but something else.
fn mistake(max_packet: u32, admitted: LinkKinds, link: &Link, first: &[u8]) -> Option<Mistake> {
    if link.role != Role::Client || link.protocol() != Protocol::Plain {
        return None;
    }
    match split_frame(first, max_packet) {
        Ok(Some(_)) => None,
        _ => Mistake::in_frames(admitted, Side::Client, first),
    }
}
