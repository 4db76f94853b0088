//! From an outbox to its socket, and what its bounds say afterwards.

use super::core::{Core, over};
use crate::config::SideConfig;
use crate::link::{CloseReason, State, WaitReason, Waiting};
use crate::routing::{Side, Slot};

impl Core {
    /// Sends what waits for a link.
    pub(super) fn flush(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let before = link.outbox.waiting();
        let side = link.role.side();
        let result = link.flush(&mut self.pool, &mut self.sealed);
        let is_session = link.session().is_some();
        let after = link.outbox.waiting();
        self.stats.sent(side, before.bytes - after.bytes, before.packets - after.packets);
        match result {
            Ok(()) if is_session => self.session_flushed(slot),
            Ok(()) => self.flushed(slot),
            Err(lost) => self.deafen(slot, &lost),
        }
    }

    /// The peer takes no more. What it sent before may still be there to be read; after that, reading fails as well and
    /// ends the link.
    fn deafen(&mut self, slot: Slot, lost: &std::io::Error) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        self.link_log.write_failed(link, lost);
        link.deaf = true;
        link.outbox.clear(&mut self.pool);
        link.unmute();
        self.flushed(slot);
    }

    /// Tests a link's bounds after a write was tried.
    pub(super) fn flushed(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let waiting = link.waiting();
        let side = link.role.side();
        let bounds = self.config.side(side);
        if link.muted && waiting.answers <= bounds.send_queue_packets / 2 {
            link.unmute();
        }
        match side {
            _ if link.state != State::Open => self.remove_if_done(slot),
            Side::Server if has_room(bounds, waiting) => self.open_server_gate(slot),
            Side::Server => {}
            Side::Client if waiting.bytes > bounds.send_queue_bytes => self.close_slow(slot, waiting),
            Side::Client if !over(bounds, waiting) => {
                link.watch.over_since = None;
                link.waits.end(WaitReason::OutboxFull);
            }
            Side::Client => {}
        }
    }

    /// The same for a link with a session, which may have lost its stream by that.
    fn session_flushed(&mut self, slot: Slot) {
        self.account_for_waiting(slot);
        self.flushed(slot);
        self.session_news(slot);
    }

    pub(super) fn close_slow(&mut self, slot: Slot, waiting: Waiting) {
        self.close(slot, &CloseReason::TooSlow { packets: waiting.packets, bytes: waiting.bytes });
    }
}

/// Low water: whether an outbox has so much room that its sources may go on.
fn has_room(bounds: &SideConfig, waiting: Waiting) -> bool {
    waiting.packets <= bounds.send_queue_packets / 2 && waiting.bytes <= bounds.send_queue_bytes / 2
}
