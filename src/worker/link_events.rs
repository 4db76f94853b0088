//! What follows for others from how much waits for a link.
//!
//! No wake-up is lost, because how much waits becomes less in few ways only, and each of them calls [`Core::judge`] before
//! the worker is given out of hand: a flush ([`Core::flush`]), an acknowledgement, a resume or the loss of a stream
//! ([`Core::handle_session_events`]), a peer that takes nothing more (`write_failed`). What is fed needs no judge, since
//! the link is flushed in the same turn; it only notes the congestion earlier ([`Core::fed`]). A link that is gone is
//! uncongested in `retire`.

use std::time::Instant;

use super::backpressure::Bottleneck;
use super::core::Core;
use crate::clock::Millis;
use crate::link::{CloseReason, State, WaitReason};
use crate::routing::Slot;

impl Core {
    /// Holds what waits for a link against its bounds, and acts on what follows: to be called whenever it may have
    /// become less, after a write was tried.
    pub(super) fn judge(&mut self, slot: Slot) {
        self.account_for_held(slot);
        let started = self.started;
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        if link.dirty {
            // It is flushed before the turn ends, and judged then.
            return;
        }
        if link.state != State::Open {
            return self.remove_if_done(slot);
        }

        let bounds = self.bounds.of(link.role.side());
        let was_congested = link.congested;
        let pressure = link.judge(bounds, || Millis::at(Instant::now(), started));
        if pressure.too_slow {
            let waiting = link.waiting();
            self.close(slot, &CloseReason::TooSlow { packets: waiting.packets, bytes: waiting.bytes });
        } else if pressure.congested && !was_congested {
            self.congested(slot);
        } else if was_congested && !pressure.congested {
            self.uncongested(slot);
        }
    }

    /// Too much waits for a server: whoever sends to it is paused from now on.
    pub(super) fn congested(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        link.congested = true;
        link.waits.begin(WaitReason::OutboxFull);
        self.backpressure.congest(Bottleneck::Server(link.addr));
    }

    /// There is room for a server again, or it is gone: those who were paused go on, here and on the workers that were
    /// told of it.
    pub(super) fn uncongested(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()).filter(|link| link.congested) else { return };
        link.congested = false;
        link.waits.end(WaitReason::OutboxFull);
        let addr = link.addr;
        if self.backpressure.uncongest(Bottleneck::Server(addr)) {
            self.schedule();
        }
        self.tell_uncongested(addr);
    }
}
