//! Between workers: what goes to the links of others, and what comes from them.

use fastway_wire::ConnId;

use super::core::Core;
use super::gates::GateKey;
use super::mail::{Item, Message, Parcel};
use crate::routing::{Cause, LinkAddr, Relay, WorkerId};

impl Core {
    /// Collects frames for a link of another worker.
    #[inline]
    pub(super) fn export<'a>(
        &mut self,
        to: LinkAddr,
        conn: ConnId,
        packets: usize,
        parts: impl Iterator<Item = &'a [u8]>,
    ) {
        let Some(outgoing) = self.parcels.get_mut(to.worker.index()) else { return };
        outgoing.parcel.data(conn, packets, parts);
        self.exported(to);
    }

    /// Collects a change of a connection for another worker's router.
    pub(super) fn relay(&mut self, to: WorkerId, relay: Relay) {
        let Some(outgoing) = self.parcels.get_mut(to.index()) else { return };
        outgoing.parcel.relay(relay);
        match relay {
            Relay::Connect { ends, dialer, .. } => self.exported(ends.other(dialer)),
            // Each is preceded by a Connect, which was held back if need be.
            Relay::Close { .. } => self.schedule(),
        }
    }

    /// Sees to it that what another worker's link was sent is posted, and notes whether it has enough of it now.
    #[inline]
    fn exported(&mut self, to: LinkAddr) {
        if self.parcels.get(to.worker.index()).is_some_and(|outgoing| outgoing.parcel.is_full()) {
            self.post_parcel(to.worker);
        }
        let keys = [GateKey::Worker(to.worker), GateKey::Server(to)];
        self.full = keys.into_iter().find(|key| self.gates.is_closed(*key)).or(self.full);
        self.schedule();
    }

    /// Posts a parcel to each worker that something was collected for.
    pub(super) fn post_parcels(&mut self) {
        for to in self.shared.mailboxes.workers() {
            self.post_parcel(to);
        }
    }

    fn post_parcel(&mut self, to: WorkerId) {
        let Some(outgoing) = self.parcels.get_mut(to.index()) else { return };
        if self.shared.mailboxes.post(self.me, to, outgoing) {
            self.gates.close(GateKey::Worker(to));
        }
    }

    /// Gives up the room for parcels to workers that got none since the last call.
    pub(super) fn trim_parcels(&mut self) {
        for (to, outgoing) in self.shared.mailboxes.workers().zip(&mut self.parcels) {
            self.shared.mailboxes.trim(self.me, to, outgoing);
        }
    }

    /// Takes what another worker posted.
    pub(super) fn unpack(&mut self, from: WorkerId, parcel: Parcel) {
        let mut rest = parcel.bytes.as_slice();
        self.take_full();
        for item in &parcel.items {
            match item {
                Item::Data { conn, bytes, packets } => {
                    let (frames, after) = rest.split_at_checked(*bytes).unwrap_or((rest, &[]));
                    self.import(*conn, frames, *packets);
                    rest = after;
                }
                Item::Relay(relay) => self.relayed(from, *relay),
            }
            if let Some(GateKey::Server(server)) = self.take_full() {
                self.tell_full(server, from);
            }
        }
        if self.shared.mailboxes.unpacked(from, self.me, parcel) {
            self.shared.mailboxes.send(from, Message::Room(GateKey::Worker(self.me)));
        }
    }

    /// There is room behind a gate of another worker.
    pub(super) fn room(&mut self, key: GateKey) {
        if self.gates.open(key) {
            self.schedule();
        }
    }

    /// Takes frames that came from another worker.
    fn import(&mut self, conn: ConnId, bytes: &[u8], packets: usize) {
        if let Some(end) = self.router.local_end(conn) {
            self.feed(end.slot, bytes, packets, Cause::Others);
        }
    }

    /// Takes a change of a connection from another worker's router.
    fn relayed(&mut self, from: WorkerId, relay: Relay) {
        self.router.relayed(from, relay, &mut self.effects);
        self.apply_effects();
    }

    /// Tells the workers that were told of a full server's link that it has room.
    pub(super) fn tell_room(&mut self, server: LinkAddr) {
        if self.told_full.is_empty() {
            return;
        }
        let mailboxes = &self.shared.mailboxes;
        self.told_full.retain(|(link, worker)| {
            if *link == server {
                mailboxes.send(*worker, Message::Room(GateKey::Server(server)));
            }
            *link != server
        });
    }

    /// Tells a worker, once, that a server's link of this one is full.
    fn tell_full(&mut self, server: LinkAddr, worker: WorkerId) {
        if self.told_full.insert((server, worker)) {
            self.shared.mailboxes.send(worker, Message::Full(server));
        }
    }
}
