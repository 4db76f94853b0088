//! The links of a worker, and which of them were fed in this turn.
//!
//! Whatever is to be sent to a link waits in its outbox until the turn ends: then the pump takes the links that were fed,
//! one after the other, and has each flushed with one write. The pump is woken once a turn, by whoever has something for it
//! first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use crate::mux::config::Settings;
use crate::mux::link::{Bounds, Inbox, Link};
use crate::mux::pool::{Chunk, LocalPool, Pool};
use crate::mux::routing::{LinkAddr, Origin, PerSide, Side, Slot};

/// Partial frames up to this size are copied once more, so that they do not occupy a whole chunk each.
const HAND_OVER_BYTES: usize = 8 << 10;

/// The links of one worker.
#[derive(Debug)]
pub(super) struct Links {
    links: Slab<Link>,
    pool: LocalPool,
    /// How much may wait for one link.
    bounds: PerSide<Bounds>,
    turn: Turn,
}

/// What is to be done at the end of the turn.
#[derive(Debug)]
struct Turn {
    /// Links that were fed and not flushed since, in that order.
    dirty: VecDeque<Slot>,
    pump: Waker,
    /// Whether the pump was woken, or runs.
    scheduled: bool,
}

impl Links {
    pub(super) fn new(settings: &Settings, pool: Arc<Pool>) -> Self {
        Self {
            links: Slab::new(),
            pool: LocalPool::new(pool),
            bounds: bounds(settings),
            turn: Turn { dirty: VecDeque::new(), pump: Waker::noop().clone(), scheduled: false },
        }
    }

    /// The place that the next link gets.
    pub(super) fn next_slot(&self) -> Slot {
        Slot::from_index(self.links.vacant_key())
    }

    /// Adds a link, whose address names the next place.
    pub(super) fn insert(&mut self, link: Link) {
        let expected = link.addr.slot.index();
        let index = self.links.insert(link);
        debug_assert_eq!(index, expected);
    }

    /// Takes a link out. Its buffers go back to [`Links::pool`].
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Link> {
        self.links.try_remove(slot.index())
    }

    /// The link in a place.
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<&Link> {
        self.links.get(slot.index())
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot.index())
    }

    /// The link at this address, if it is still there.
    #[inline]
    pub(super) fn at(&self, addr: LinkAddr) -> Option<&Link> {
        self.get(addr.slot).filter(|link| link.addr == addr)
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, addr: LinkAddr) -> Option<&mut Link> {
        self.get_mut(addr.slot).filter(|link| link.addr == addr)
    }

    /// A link, and the pool that its buffers come from and go to.
    #[inline]
    pub(super) fn with_pool(&mut self, slot: Slot) -> Option<(&mut Link, &mut LocalPool)> {
        Some((self.links.get_mut(slot.index())?, &mut self.pool))
    }

    /// Where the buffers of all links come from.
    pub(super) fn pool(&mut self) -> &mut LocalPool {
        &mut self.pool
    }

    /// All links.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().map(|(_, link)| link)
    }

    /// The same, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.iter_mut().map(|(_, link)| link)
    }

    /// Places that links have, or had. A walk over them may remove links and add some.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.places()).map(Slot::from_index)
    }

    /// How many such places there are.
    pub(super) fn places(&self) -> usize {
        self.links.capacity()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// A link, and how much may wait for it.
    #[inline]
    pub(super) fn with_bounds(&mut self, slot: Slot) -> Option<(&mut Link, &Bounds)> {
        let link = self.links.get_mut(slot.index())?;
        let bounds = &self.bounds[link.role.side()];
        Some((link, bounds))
    }

    /// Changes how much may wait for one link.
    pub(super) fn set_bounds(&mut self, settings: &Settings) {
        self.bounds = bounds(settings);
    }

    /// Changes how many bytes may wait for a server.
    pub(super) fn set_server_bytes(&mut self, bytes: usize) {
        self.bounds.server.bytes = bytes;
    }

    /// Queues packets for a link, to be sent at the end of the turn. Returns the link if it is a server's and more than it
    /// may have waits for it.
    #[inline]
    pub(super) fn feed(&mut self, slot: Slot, bytes: &[u8], packets: usize, origin: Origin) -> Option<LinkAddr> {
        let link = self.links.get_mut(slot.index()).filter(|link| !link.write_failed)?;
        link.append(&mut self.pool, bytes, packets, origin);
        self.turn.flush_at_end(link);
        congested(link, &self.bounds.server)
    }

    /// Queues the frame in an inbox, as [`Links::feed`] does; a large one is handed over without a copy.
    pub(super) fn feed_inbox(&mut self, slot: Slot, inbox: &mut Inbox) -> Option<LinkAddr> {
        let link = self.links.get_mut(slot.index()).filter(|link| !link.write_failed)?;
        if inbox.received() > HAND_OVER_BYTES {
            link.outbox.append_chunks(inbox.take());
        } else {
            link.outbox.append_parts(&mut self.pool, inbox.chunks().map(Chunk::filled));
        }
        self.turn.flush_at_end(link);
        congested(link, &self.bounds.server)
    }

    /// Has a link flushed at the end of the turn.
    pub(super) fn mark_dirty(&mut self, slot: Slot) {
        if let Some(link) = self.links.get_mut(slot.index()) {
            self.turn.flush_at_end(link);
        }
    }

    /// Takes the next link that was fed, which is to be flushed. That may feed further ones.
    pub(super) fn next_dirty(&mut self) -> Option<Slot> {
        let slot = self.turn.dirty.pop_front()?;
        if let Some(link) = self.links.get_mut(slot.index()) {
            link.dirty = false;
        }
        Some(slot)
    }

    /// Has the pump run at the end of the turn.
    #[inline]
    pub(super) fn schedule(&mut self) {
        self.turn.schedule();
    }

    /// The pump runs, and is woken by this the next time. It need not be woken before the turn is over.
    pub(super) fn begin_turn(&mut self, pump: &Waker) {
        self.turn.pump.clone_from(pump);
        self.turn.scheduled = true;
    }

    /// The turn is over: whatever comes now is for the next one.
    pub(super) fn end_turn(&mut self) {
        self.turn.scheduled = false;
    }
}

impl Turn {
    #[inline]
    fn flush_at_end(&mut self, link: &mut Link) {
        if !link.dirty {
            link.dirty = true;
            self.dirty.push_back(link.addr.slot);
        }
        self.schedule();
    }

    #[inline]
    fn schedule(&mut self) {
        if !self.scheduled {
            self.scheduled = true;
            self.pump.wake_by_ref();
        }
    }
}

/// A link that was fed, if it is a server's and has too much.
#[inline]
fn congested(link: &Link, bounds: &Bounds) -> Option<LinkAddr> {
    let is_server = link.role.side() == Side::Server;
    (is_server && (link.congested || bounds.is_exceeded(link.waiting()))).then_some(link.addr)
}

fn bounds(settings: &Settings) -> PerSide<Bounds> {
    PerSide::new(|side| Bounds::of(settings, side))
}

#[cfg(test)]
mod tests {
    use fastway_service::clock::Millis;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use fastway_transport::Stream;
    use fastway_wire::ServerId;

    use super::*;
    use crate::mux::accept::admission::Admission;
    use crate::mux::link::LinkStream;
    use crate::mux::pool::PoolConfig;
    use crate::mux::routing::{LinkId, Role, WorkerId};

    const CLIENT: Role = Role::Client;
    const SERVER: Role = Role::Server(ServerId::new(7));

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Links with these roles, whose streams are in memory.
    fn links<const N: usize>(roles: [Role; N]) -> (Links, [LinkAddr; N]) {
        let mut settings = Settings::default();
        settings.server.send_queue_packets = 2;
        let mut links = Links::new(&settings, Pool::new(&PoolConfig::default()));
        let admission = Admission::new(&settings.limits, 1);
        let addrs = roles.map(|role| {
            let slot = links.next_slot();
            let id = LinkId::new(u32::try_from(slot.index()).unwrap() + 1);
            let addr = LinkAddr { worker: WorkerId::new(0), slot, id };
            let [stream, _peer] = Stream::pair_in_memory(1 << 20);
            let (peer, permit) = (([192, 0, 2, 1], 1).into(), admission.reserve(None));
            links.insert(Link::new(addr, role, peer, LinkStream::Plain(stream), permit, Millis::default()));
            addr
        });
        (links, addrs)
    }

    fn flushed(links: &mut Links) -> Vec<Slot> {
        std::iter::from_fn(|| links.next_dirty()).collect()
    }

    #[test]
    fn links_are_flushed_once_in_the_order_in_which_they_were_fed() {
        let (mut links, [a, b, c]) = links([CLIENT; 3]);
        for link in [b, a, b, c, a] {
            assert_eq!(links.feed(link.slot, b"x", 1, Origin::Others), None);
        }
        assert_eq!(links.next_dirty(), Some(b.slot));
        // What is fed while others are flushed comes behind them.
        links.feed(b.slot, b"x", 1, Origin::Others);
        assert_eq!(flushed(&mut links), [a.slot, c.slot, b.slot]);
    }

    #[test]
    fn the_pump_is_woken_once_a_turn() {
        let (mut links, [link]) = links([CLIENT]);
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        for turn in 1..=3 {
            links.begin_turn(&waker);
            links.feed(link.slot, b"in the turn itself", 1, Origin::Others);
            links.end_turn();
            assert_eq!(wakes.0.load(Relaxed), turn - 1);
            links.feed(link.slot, b"x", 1, Origin::Others);
            links.feed(link.slot, b"x", 1, Origin::Others);
            assert_eq!(wakes.0.load(Relaxed), turn);
        }
    }

    #[test]
    fn a_server_for_which_too_much_waits_is_named_and_a_client_is_not() {
        let (mut links, [client, server]) = links([CLIENT, SERVER]);
        let named = [client, server].map(|link| [1, 2, 3].map(|_| links.feed(link.slot, b"x", 1, Origin::Others)));
        assert_eq!(named, [[None, None, None], [None, None, Some(server)]]);
    }

    #[test]
    fn a_link_whose_peer_takes_no_more_is_fed_nothing() {
        let (mut links, [link]) = links([SERVER]);
        links.at_mut(link).unwrap().write_failed = true;
        links.feed(link.slot, b"x", 1, Origin::Others);
        assert!(links.at(link).unwrap().outbox.is_empty() && flushed(&mut links).is_empty());
    }

    #[test]
    fn an_address_names_no_later_tenant_of_the_place() {
        let (mut links, [link]) = links([CLIENT]);
        let former = LinkAddr { id: LinkId::new(99), ..link };
        assert!(links.at(link).is_some() && links.at(former).is_none() && links.get(former.slot).is_some());
        links.feed(link.slot, b"x", 1, Origin::Others);
        drop(links.remove(link.slot));
        assert!(links.at(link).is_none() && links.is_empty());
        assert_eq!(flushed(&mut links), [link.slot], "its flush finds nobody");
    }
}
