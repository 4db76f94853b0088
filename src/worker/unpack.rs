//! What goes to the links of other workers, and what comes from them.

use fastway_wire::ConnId;

use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::{Batch, Item};
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
        self.cross.forward(to.worker, conn, packets, parts, &mut self.backpressure);
        self.forwarded_remote(to);
    }

    /// Collects a change of a connection for another worker's router.
    pub(super) fn sync_router(&mut self, to: WorkerId, sync: RouterSync) {
        self.cross.sync(to, sync, &mut self.backpressure);
        match sync {
            RouterSync::Connect { ends, dialer, .. } => self.forwarded_remote(ends.other(dialer)),
            // Each is preceded by a Connect, which was held back if need be.
            RouterSync::Close { .. } => self.schedule(),
        }
    }

    /// Notes whether another worker's link that was sent something has enough of it now, and sees to it that it is posted.
    #[inline]
    fn forwarded_remote(&mut self, to: LinkAddr) {
        let keys = [Bottleneck::Worker(to.worker), Bottleneck::Server(to)];
        self.bottleneck = keys.into_iter().find(|key| self.backpressure.is_congested(*key)).or(self.bottleneck);
        self.schedule();
    }

    /// Posts a batch to each worker that something was collected for.
    pub(super) fn post_batches(&mut self) {
        self.cross.post(&mut self.backpressure);
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
                self.cross.tell_congested(server, from);
            }
        }
        self.cross.unpacked(from, batch);
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
}
