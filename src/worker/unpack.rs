//! Between workers: what goes to the links of others, and what comes from them.

use fastway_wire::ConnId;

use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::{Batch, Item, Message};
use crate::routing::{LinkAddr, Origin, RouterSync, WorkerId};

impl Core {
    /// Collects frames for a link of another worker.
    #[inline]
    pub(super) fn forward_remote<'a>(
        &mut self,
        to: LinkAddr,
        conn: ConnId,
        packets: usize,
        parts: impl Iterator<Item = &'a [u8]>,
    ) {
        let Some(outgoing) = self.batches.get_mut(to.worker.index()) else { return };
        outgoing.batch.data(conn, packets, parts);
        self.forwarded_remote(to);
    }

    /// Collects a change of a connection for another worker's router.
    pub(super) fn sync_router(&mut self, to: WorkerId, sync: RouterSync) {
        let Some(outgoing) = self.batches.get_mut(to.index()) else { return };
        outgoing.batch.sync(sync);
        match sync {
            RouterSync::Connect { ends, dialer, .. } => self.forwarded_remote(ends.other(dialer)),
            // Each is preceded by a Connect, which was held back if need be.
            RouterSync::Close { .. } => self.schedule(),
        }
    }

    /// Sees to it that what another worker's link was sent is posted, and notes whether it has enough of it now.
    #[inline]
    fn forwarded_remote(&mut self, to: LinkAddr) {
        if self.batches.get(to.worker.index()).is_some_and(|outgoing| outgoing.batch.is_full()) {
            self.post_batch(to.worker);
        }
        let keys = [Bottleneck::Worker(to.worker), Bottleneck::Server(to)];
        self.bottleneck = keys.into_iter().find(|key| self.backpressure.is_congested(*key)).or(self.bottleneck);
        self.schedule();
    }

    /// Posts a batch to each worker that something was collected for.
    pub(super) fn post_batches(&mut self) {
        for to in self.shared.mailboxes.workers() {
            self.post_batch(to);
        }
    }

    fn post_batch(&mut self, to: WorkerId) {
        let Some(outgoing) = self.batches.get_mut(to.index()) else { return };
        if self.shared.mailboxes.post(self.me, to, outgoing) {
            self.backpressure.congest(Bottleneck::Worker(to));
        }
    }

    /// Gives up the room for batches to workers that got none since the last call.
    pub(super) fn trim_batches(&mut self) {
        for (to, outgoing) in self.shared.mailboxes.workers().zip(&mut self.batches) {
            self.shared.mailboxes.trim(self.me, to, outgoing);
        }
    }

    /// Takes what another worker posted.
    pub(super) fn unpack(&mut self, from: WorkerId, batch: Batch) {
        let mut rest = batch.bytes.as_slice();
        self.take_bottleneck();
        for item in &batch.items {
            match item {
                Item::Data { conn, bytes, packets } => {
                    let (frames, after) = rest.split_at_checked(*bytes).unwrap_or((rest, &[]));
                    self.receive_remote(*conn, frames, *packets);
                    rest = after;
                }
                Item::RouterSync(sync) => self.synced(from, *sync),
            }
            if let Some(Bottleneck::Server(server)) = self.take_bottleneck() {
                self.tell_congested(server, from);
            }
        }
        if self.shared.mailboxes.unpacked(from, self.me, batch) {
            self.shared.mailboxes.send(from, Message::Uncongested(Bottleneck::Worker(self.me)));
        }
    }

    /// There is room again for what waited for this.
    pub(super) fn uncongest(&mut self, key: Bottleneck) {
        if self.backpressure.uncongest(key) {
            self.schedule();
        }
    }

    /// Takes frames that came from another worker.
    fn receive_remote(&mut self, conn: ConnId, bytes: &[u8], packets: usize) {
        if let Some(end) = self.router.local_end(conn) {
            self.feed(end.slot, bytes, packets, Origin::Others);
        }
    }

    /// Takes a change of a connection from another worker's router.
    fn synced(&mut self, from: WorkerId, sync: RouterSync) {
        self.router.synced(from, sync, &mut self.effects);
        self.apply_effects();
    }

    /// Tells the workers that were told of a congested server's link that it has room.
    pub(super) fn tell_uncongested(&mut self, server: LinkAddr) {
        if self.told_congested.is_empty() {
            return;
        }
        let mailboxes = &self.shared.mailboxes;
        self.told_congested.retain(|(link, worker)| {
            if *link == server {
                mailboxes.send(*worker, Message::Uncongested(Bottleneck::Server(server)));
            }
            *link != server
        });
    }

    /// Tells a worker, once, that a server's link of this one is congested.
    fn tell_congested(&mut self, server: LinkAddr, worker: WorkerId) {
        if self.told_congested.insert((server, worker)) {
            self.shared.mailboxes.send(worker, Message::Congested(server));
        }
    }
}
