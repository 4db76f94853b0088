//! The end of links, and of the worker.

use std::time::Instant;

use tokio::sync::oneshot;

use super::core::Core;
use super::mail::Message;
use crate::link::{CloseReason, State};
use crate::routing::{LinkAddr, Slot};

impl Core {
    /// Closes a link at once; the other ends of its connections are told.
    pub(super) fn close(&mut self, slot: Slot, reason: &CloseReason) {
        self.retire(slot, reason);
        self.abort_session(slot, reason);
        self.remove(slot);
    }

    /// Closes a link once it has got what waits for it, or at the end of the grace time.
    pub(super) fn close_gently(&mut self, slot: Slot, reason: &CloseReason) {
        self.retire(slot, reason);
        self.read_clock();
        let grace_ends = self.now + self.config.settings.shutdown_grace;
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let deadline = match link.state {
            State::Open => grace_ends,
            State::Closing { deadline, .. } => deadline,
        };
        let was_open = link.state == State::Open;
        link.state = State::Closing { deadline, peer_sends: !matches!(reason, CloseReason::EndOfStream) };
        link.wake();
        if was_open {
            self.close_session(slot, reason);
        }
        self.remove_if_done(slot);
    }

    /// Removes a closing link once its peer has all that waited for it.
    pub(super) fn remove_if_done(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot.index()).filter(|link| link.is_done()) else { return };
        // A session that waits for a stream is not waited for.
        if link.is_interrupted() {
            self.count_undelivered(slot);
        }
        self.remove(slot);
    }

    /// Takes a link out of routing and accounts for it, once.
    fn retire(&mut self, slot: Slot, reason: &CloseReason) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        if link.state != State::Open {
            return;
        }
        self.stats.closed(link.role.side(), reason.kind());
        let connections = self.router.connections_of(slot).len();
        self.link_log.closed(link, connections, reason);
        self.router.leave(slot, &mut self.effects);
        self.apply_effects();
        self.uncongested(slot);
    }

    /// Drops a link and its buffers; its task ends when it looks at it the next time.
    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(link) = self.links.try_remove(slot.index()) {
            self.remember_waits(link.role.side(), &link.waits.report(Instant::now()));
            self.account(-link.accounted_bytes.cast_signed());
            let (addr, side, is_session) = (link.addr, link.role.side(), link.session().is_some());
            let ended = link.dismantle(&mut self.pool);
            if is_session {
                self.session_gone(addr, side, ended);
            }
            if self.stop.is_draining() {
                self.schedule();
            }
        }
    }

    /// Counts what is left for the peer of a link that is cut off while the gateway stops.
    pub(super) fn count_undelivered(&mut self, slot: Slot) {
        let waiting = self.links.get(slot.index()).map_or(0, |link| link.waiting().bytes);
        if self.stop.is_draining() && waiting > 0 {
            self.stats.undelivered.links += 1;
            self.stats.undelivered.bytes += waiting as u64;
        }
    }

    /// Closes a server's link because another one registers its ID.
    pub(super) fn evict(&mut self, server: LinkAddr, done: oneshot::Sender<()>) {
        if self.link(server).is_some() {
            self.close(server.slot, &CloseReason::Replaced);
            // The ends of its connections hear of it before anybody can dial the new link.
            self.post_batches();
        }
        let _nobody_waits_any_more = done.send(());
    }

    /// Stops reading and says so to the other workers.
    pub(super) fn begin_stop(&mut self) {
        if !self.stop.ask() {
            return;
        }
        self.end_unanswered_handshakes();
        self.acceptors.clear();
        self.post_batches();
        for worker in self.shared.mailboxes.workers().filter(|worker| *worker != self.me) {
            self.shared.mailboxes.send(worker, Message::Quiesced);
        }
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
        self.close_connections();
        for index in 0..self.links.capacity() {
            self.close_gently(Slot::from_index(index), &CloseReason::Shutdown);
        }
        self.schedule();
    }

    /// Ends every connection; the ends on this worker are told.
    fn close_connections(&mut self) {
        self.router.close_all(&mut self.effects);
        self.apply_effects();
    }

    /// Whether nothing is left to do. As long as there are sessions, on whichever worker, this one accepts for them: each
    /// may lose its transport at any time. To others it says that the gateway stops.
    pub(super) fn is_over(&self) -> bool {
        self.stop.is_draining() && self.links.is_empty() && self.shared.sessions.is_empty()
    }
}
