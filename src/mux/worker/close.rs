//! The end of links, and of the worker.

use tokio::sync::oneshot;

use super::core::Core;
use crate::mux::link::{CloseReason, Link, Remains, State};
use crate::mux::routing::{LinkAddr, Slot};

impl Core {
    /// Closes a link at once; the other ends of its connections are told.
    pub(super) fn close(&mut self, slot: Slot, reason: &CloseReason) {
        self.retire(slot, reason);
        if let Some(link) = self.links.get_mut(slot) {
            link.abort(reason, &mut self.buffers.sealed, &self.clock);
        }
        self.remove(slot);
    }

    /// Closes a link once it has got what waits for it, or at the end of the grace time.
    pub(super) fn close_gently(&mut self, slot: Slot, reason: &CloseReason) {
        self.retire(slot, reason);

        let grace_ends = self.clock.millis() + self.settings.shutdown_grace;
        let Some((link, pool)) = self.links.with_pool(slot) else { return };
        let deadline = match link.state {
            State::Open => grace_ends,
            // A second call gives it no more time.
            State::Closing { deadline, .. } => deadline,
        };
        let was_open = link.state == State::Open;
        link.state = State::Closing { deadline, peer_sends: !matches!(reason, CloseReason::EndOfStream) };
        link.wake();

        if was_open && link.close(reason, pool) {
            self.links.mark_dirty(slot);
        }
        if self.links.get(slot).is_some_and(Link::is_done) {
            self.remove_done(slot);
        }
    }

    /// Removes a closing link whose peer has all that waited for it.
    pub(super) fn remove_done(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot) else { return };
        // A session that waits for a stream is not waited for.
        if link.is_interrupted() {
            self.count_undelivered(slot);
        }
        self.remove(slot);
    }

    /// Takes a link out of routing and accounts for it, once.
    fn retire(&mut self, slot: Slot, reason: &CloseReason) {
        let Some(link) = self.links.get_mut(slot) else { return };
        if link.state != State::Open {
            return;
        }
        self.counters.link_closed(link.role.side(), reason.kind());
        let connections = self.forwarding.router().connections_of(slot).len();
        self.link_log.closed(link, connections, reason, self.clock.millis());
        self.forwarding.leave(&mut self.links, slot, &self.clock);
        self.uncongested(slot);
    }

    /// Drops a link and its buffers; its task ends when it looks at it the next time.
    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(link) = self.links.remove(slot) {
            self.counters.link_removed(link.role.side(), &link.waits.report(self.clock.now()));
            self.account(-link.accounted_bytes.cast_signed());

            let (addr, side) = (link.addr, link.role.side());
            match link.dismantle(self.links.pool()) {
                Remains::Nothing => {}
                Remains::Names => self.shared.sessions.remove(addr),
                Remains::Session(session) => self.keep_ended(addr, side, session),
            }

            // The pump ends the worker with its last link.
            if self.stop.is_draining() {
                self.links.schedule();
            }
        }
    }

    /// Counts what is left for the peer of a link that is cut off while the gateway stops.
    pub(super) fn count_undelivered(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot) else { return };
        // In a drain a link that is open ends for its own reasons, as at any other time.
        let is_cut_off = self.stop.is_draining() || self.is_draining() && link.state != State::Open;
        let waiting = link.waiting().bytes;
        if is_cut_off && waiting > 0 {
            self.counters.undelivered(waiting);
        }
    }

    /// Closes a server's link because another one registers its ID.
    pub(super) fn evict(&mut self, server: LinkAddr, done: oneshot::Sender<()>) {
        if self.link(server).is_some() {
            self.close(server.slot, &CloseReason::Replaced);
            // The ends of its connections hear of it before anybody can dial the new link.
            self.forwarding.post();
        }
        let _nobody_waits_any_more = done.send(());
    }

    /// Stops reading and says so to the other workers.
    pub(super) fn begin_stop(&mut self) {
        if !self.stop.ask() {
            return;
        }
        self.acceptance.stop();
        self.forwarding.tell_quiesced();
        self.drain_when_quiesced();
    }

    /// Another worker has stopped reading.
    pub(super) fn heard_quiesced(&mut self) {
        self.stop.heard_quiesced();
        self.drain_when_quiesced();
    }

    /// Ends all connections, and closes each link when it has got what waits for it.
    fn drain_when_quiesced(&mut self) {
        if !self.stop.begin_draining() {
            return;
        }
        self.forwarding.close_all(&mut self.links, &self.clock);
        for slot in self.links.slots() {
            self.close_gently(slot, &CloseReason::Shutdown);
        }
        self.links.schedule();
    }

    /// Whether nothing is left to do. As long as there are sessions, on whichever worker, this one accepts for them: each
    /// may lose its transport at any time. To others it says that the gateway stops.
    pub(super) fn is_over(&self) -> bool {
        self.stop.is_draining() && self.links.is_empty() && self.shared.sessions.is_empty()
    }
}
