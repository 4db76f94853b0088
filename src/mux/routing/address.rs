//! Where links are found, and the sequences that IDs are drawn from.

use fastway_admin::observe::{LinkId, Side};
use fastway_wire::ServerId;

/// One of the threads that own links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u16);

impl WorkerId {
    /// The worker with this index.
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Its index, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A link's place among the links of its worker; it is used again when the link is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// The slot with this index. There are never 2^32 links: each needs a file descriptor.
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Its index, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a link is found. The number tells it from the slot's earlier and later tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAddr {
    /// The worker that owns it.
    pub worker: WorkerId,
    /// Its place there.
    pub slot: Slot,
    /// Its number.
    pub id: LinkId,
}

/// The two ends of a virtual connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client's link.
    pub client: LinkAddr,
    /// The server's link.
    pub server: LinkAddr,
    /// The ID under which the server is registered.
    pub server_id: ServerId,
}

impl Ends {
    /// The end on `side`.
    #[inline]
    pub fn end(&self, side: Side) -> LinkAddr {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// The end opposite to `side`.
    #[inline]
    pub fn other(&self, side: Side) -> LinkAddr {
        self.end(side.other())
    }
}

/// IDs that one worker hands out. Workers draw from disjoint sequences, and a sequence comes round only after all of
/// its IDs, so late data never reaches another player.
#[derive(Debug)]
pub(super) struct IdSequence {
    first: u32,
    step: u32,
    next: u32,
}

impl IdSequence {
    pub(super) fn new(worker: WorkerId, workers: usize) -> Self {
        let first = u32::from(worker.0) + 1;
        Self { first, step: u32::try_from(workers).unwrap_or(u32::MAX).max(1), next: first }
    }

    /// The next ID that is not taken; never 0.
    pub(super) fn next(&mut self, taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            let id = self.next;
            self.next = id.checked_add(self.step).unwrap_or(self.first);
            if !taken(id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_never_share_an_id() {
        let mut ids: Vec<u32> = Vec::new();
        for worker in 0..3 {
            let mut sequence = IdSequence::new(WorkerId::new(worker), 3);
            ids.extend((0..100).map(|_| sequence.next(|_| false)));
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=300).collect::<Vec<u32>>());
    }

    #[test]
    fn a_sequence_comes_round_without_zero_and_without_a_taken_id() {
        let mut sequence = IdSequence::new(WorkerId::new(1), 2);
        sequence.next = u32::MAX - 1;
        assert_eq!(sequence.next(|_| false), u32::MAX - 1);
        assert_eq!(sequence.next(|id| id == 2), 4);
    }
}
