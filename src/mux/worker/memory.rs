//! The worker's part in the account of all bytes that are held for clients' links, and what follows when they are many:
//! readers are paused, and links are closed.
//!
//! No wake-up is lost: a reader that finds the account short waits before [`Bottleneck::Memory`]; whoever finds that it is
//! short no longer says so to all workers, by messages that come after what the reader saw.

use fastway_service::{ByteHolder, PrefixLength};

use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::Message;
use crate::mux::link::{CloseReason, Link, State};
use crate::mux::routing::{LinkAddr, Side};

/// Part of the bound that may wait for all servers together: clients keep below three quarters.
const SERVERS_PART: usize = 4;

impl Core {
    /// Counts bytes more that are held for a client's link, or fewer, and tells the others from time to time.
    pub(super) fn account(&mut self, change: isize) {
        if self.memory.add(change, &self.shared.memory.account) {
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
        let link = self.links.at_mut(addr);
        let Some(link) = link.filter(|link| link.state == State::Open && link.pause.is_empty()) else {
            return false;
        };

        let feeds_others = link.role.side() == Side::Server || self.memory.is_beyond_share(link.accounted_bytes);
        if !feeds_others || link.has_read_ahead() {
            return false;
        }

        self.forwarding.congest(Bottleneck::Memory);
        self.forwarding.pause(&mut self.links, addr, Bottleneck::Memory, &self.clock);
        self.counters.source_paused();
        true
    }

    /// Part of the sweep: says which links hold what, and closes those that have to go.
    pub(super) fn share_out_memory(&mut self) {
        let links = self.shared.admission.clients();
        if self.memory.tell(&self.shared.memory.account) {
            self.tell_memory_is_free();
        }
        self.memory.share_out(&self.shared.memory.account, links);
        self.links.set_server_bytes(self.server_share());

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
            self.links.pool().shrink();
        }
    }

    fn holders(&self) -> Vec<ByteHolder<LinkAddr>> {
        let links = self.links.iter();
        let length = self.settings.limits.ipv6_prefix;
        links.filter(|link| link.accounted_bytes > 0).map(|link| link.as_holder(length)).collect()
    }

    /// Bytes that may wait for one server: all servers together have a quarter of the bound, each an equal share of it.
    fn server_share(&self) -> usize {
        let most = self.settings.server.send_queue_bytes;
        let servers = self.shared.registry.servers().max(1);
        most.min(self.shared.memory.account.bound() / SERVERS_PART / servers)
    }
}

impl Link {
    fn as_holder(&self, length: PrefixLength) -> ByteHolder<LinkAddr> {
        ByteHolder {
            key: self.addr,
            prefix: length.prefix_of(self.peer.ip()),
            bytes: self.accounted_bytes,
            age: self.held_for(),
        }
    }
}
