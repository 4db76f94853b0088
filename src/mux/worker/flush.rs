//! From an outbox to its stream.

use super::core::Core;
use crate::mux::routing::Slot;

impl Core {
    /// Sends what waits for a link.
    pub(super) fn flush(&mut self, slot: Slot) {
        let Some((link, pool)) = self.links.with_pool(slot) else { return };
        let before = link.outbox.waiting();
        let side = link.role.side();
        let result = link.flush(pool, &mut self.buffers.sealed, &self.clock);
        let after = link.outbox.waiting();
        self.counters.sent(side, before.bytes - after.bytes, before.packets - after.packets);

        if let Err(lost) = result {
            self.write_failed(slot, &lost);
        }
        self.after_io(slot);
    }

    /// The peer takes no more. What it sent before may still be there to be read; after that, reading fails as well and
    /// ends the link. A session does the same with its stream, by itself.
    fn write_failed(&mut self, slot: Slot, lost: &std::io::Error) {
        let Some((link, pool)) = self.links.with_pool(slot) else { return };
        self.link_log.write_failed(link, lost);
        link.write_failed = true;
        link.outbox.clear(pool);
    }
}
