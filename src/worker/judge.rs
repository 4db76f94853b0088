//! What follows for others from how much waits for a link.
//!
//! No wake-up is lost, because how much waits becomes less in few ways only, and each of them calls [`Core::judge`] before
//! the worker is given out of hand: a flush ([`Core::flush`]), an acknowledgement, a resume or the loss of a stream
//! ([`Core::handle_session_events`]), a peer that takes nothing more (`write_failed`). What is fed needs no judge, since
//! the link is flushed in the same turn; it only notes the congestion earlier ([`Links::feed`]). A link that is gone is
//! uncongested in `retire`.

use std::time::Instant;

use super::core::Core;
use crate::link::{CloseReason, State};
use crate::routing::Slot;

impl Core {
    /// Holds what waits for a link against its bounds, and acts on what follows: to be called whenever it may have
    /// become less, after a write was tried.
    pub(super) fn judge(&mut self, slot: Slot) {
        self.account_for_held(slot);
        let Some((link, bounds)) = self.links.with_bounds(slot) else { return };
        if link.dirty {
            // It is flushed before the turn ends, and judged then.
            return;
        }
        if link.state != State::Open {
            return self.remove_if_done(slot);
        }

        let was_congested = link.congested;
        let pressure = link.judge(bounds, || self.upkeep.at(Instant::now()));
        if pressure.too_slow {
            let waiting = link.waiting();
            self.close(slot, &CloseReason::TooSlow { packets: waiting.packets, bytes: waiting.bytes });
        } else if pressure.congested && !was_congested {
            self.forwarding.congest_server(&mut self.links, slot);
        } else if was_congested && !pressure.congested {
            self.forwarding.uncongest_server(&mut self.links, slot);
        }
    }
}
