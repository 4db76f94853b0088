//! The worker's part in the account of all bytes that are held for clients' links, and what follows when they are many:
//! readers are paused, and links are closed.
//!
//! No wake-up is lost: a reader that finds the account short waits before [`Bottleneck::Memory`]; whoever finds that it is
//! short no longer says so to all workers, by messages that come after what the reader saw.

use fastway_service::{AddressPrefix, ByteHolder};

use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::Message;
use crate::link::{CloseReason, Link, State};
use crate::routing::{LinkAddr, Side, Slot};

/// Bytes by which a worker's own count may differ from what it has told the others.
const UNTOLD_BYTES: isize = 64 << 10;
/// Part of the bound that may wait for all servers together: clients keep below three quarters.
const SERVERS_PART: usize = 4;

impl Core {
    /// Takes what is held for a client's link into account: to be called when it may have changed.
    #[inline]
    pub(super) fn account_for_held(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()).filter(|link| link.role.side() == Side::Client) else {
            return;
        };
        let held = link.held_bytes();
        if held != link.accounted_bytes {
            let change = held.wrapping_sub(link.accounted_bytes).cast_signed();
            link.accounted_bytes = held;
            self.account(change);
        }
    }

    /// Counts bytes more, or fewer, and tells the others from time to time.
    pub(super) fn account(&mut self, change: isize) {
        self.untold_bytes += change;
        if self.untold_bytes.abs() >= UNTOLD_BYTES {
            self.tell_account();
        }
    }

    fn tell_account(&mut self) {
        let change = std::mem::take(&mut self.untold_bytes);
        if self.shared.memory.account.add(change) {
            self.tell_memory_is_free();
        }
    }

    fn tell_memory_is_free(&self) {
        for worker in self.shared.mailboxes.workers() {
            self.shared.mailboxes.send(worker, Message::Uncongested(Bottleneck::Memory));
        }
    }

    /// Whether a link must not be read now, because its bytes or what they make others hold would be too many; it waits
    /// in its queue then. Servers feed clients, so all of them wait; a client does only when it holds more than a small
    /// share itself. Bytes that were read ahead are held already, and may be taken.
    #[inline]
    pub(super) fn waits_for_memory(&mut self, addr: LinkAddr) -> bool {
        if !self.shared.memory.account.is_short() {
            return false;
        }
        let share = self.memory_share;
        let Some(link) = self.link(addr).filter(|link| link.state == State::Open && link.pause.is_empty()) else {
            return false;
        };
        let feeds_others = link.role.side() == Side::Server || link.accounted_bytes > share;
        if !feeds_others || link.session().is_some_and(|session| session.has_read_ahead()) {
            return false;
        }
        link.pause_for_backpressure();
        self.backpressure.congest(Bottleneck::Memory);
        self.backpressure.wait(Bottleneck::Memory, addr);
        self.stats.sources_paused += 1;
        true
    }

    /// Part of the sweep: says which links hold what, and closes those that have to go.
    pub(super) fn share_out_memory(&mut self) {
        self.tell_account();
        let links = self.shared.admission.clients();
        self.memory_share = self.shared.memory.account.pause_share(links);
        self.bounds.server.bytes = self.server_share();

        let mine = if self.shared.memory.account.is_short() { self.holders() } else { Vec::new() };
        let (closed, goes_on) = self.shared.memory.first_to_close(self.me, mine, links);
        if goes_on {
            self.tell_memory_is_free();
        }
        let any_closed = !closed.is_empty();
        for ByteHolder { key, bytes, age, .. } in closed {
            if let Some(link) = self.link(key) {
                link.accounted_bytes = 0;
                self.close(key.slot, &CloseReason::Memory { bytes, age });
            }
        }
        if any_closed {
            // What they held is for all workers, not for this one.
            self.pool.shrink();
        }
    }

    fn holders(&self) -> Vec<ByteHolder<LinkAddr>> {
        let links = self.links.iter().map(|(_, link)| link);
        links.filter(|link| link.accounted_bytes > 0).map(Link::as_holder).collect()
    }

    /// Bytes that may wait for one server: all servers together have a quarter of the bound, each an equal share of it.
    fn server_share(&self) -> usize {
        let most = self.config.settings.server.send_queue_bytes;
        let servers = self.shared.registry.servers().max(1);
        most.min(self.shared.memory.account.bound() / SERVERS_PART / servers)
    }
}

impl Link {
    fn as_holder(&self) -> ByteHolder<LinkAddr> {
        ByteHolder {
            key: self.addr,
            prefix: AddressPrefix::from(self.peer.ip()),
            bytes: self.accounted_bytes,
            age: self.held_for(),
        }
    }
}
