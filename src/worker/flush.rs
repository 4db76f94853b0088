//! From an outbox to its socket.

use super::core::Core;
use crate::routing::Slot;

impl Core {
    /// Sends what waits for a link.
    pub(super) fn flush(&mut self, slot: Slot) {
        let Some((link, pool)) = self.links.with_pool(slot) else { return };
        let before = link.outbox.waiting();
        let side = link.role.side();
        let result = link.flush(pool, &mut self.buffers.sealed);
        let is_session = link.session().is_some();
        let after = link.outbox.waiting();
        self.stats.sent(side, before.bytes - after.bytes, before.packets - after.packets);
        match result {
            Ok(()) if is_session => {
                self.account_for_waiting(slot);
                self.handle_session_events(slot);
            }
            Ok(()) => self.judge(slot),
            Err(lost) => self.write_failed(slot, &lost),
        }
    }

    /// The peer takes no more. What it sent before may still be there to be read; after that, reading fails as well and
    /// ends the link. A session does the same with its stream, by itself.
    fn write_failed(&mut self, slot: Slot, lost: &std::io::Error) {
        let Some((link, pool)) = self.links.with_pool(slot) else { return };
        self.link_log.write_failed(link, lost);
        link.write_failed = true;
        link.outbox.clear(pool);
        self.judge(slot);
    }
}
