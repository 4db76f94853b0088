//! What the peer of a session has not acknowledged: it is kept to be sent again.

use std::collections::VecDeque;

use fastway_session::ReplayBuffer;

use crate::mux::link::Outbox;
use crate::mux::pool::LocalPool;

/// Room that is kept though little is in it, in bytes.
const MOST_SPARE: usize = 64 << 10;
/// Room that is made at once, in bytes, before a part of what is kept is more.
const LEAST_MORE: usize = 16 << 10;
/// Beyond that, the part of what is kept by which the room grows.
const GROWTH: usize = 4;

/// Bytes that were sent, or are about to be, and are not acknowledged; and which of them answer the peer's own requests:
/// these must not become many because the peer acknowledges nothing.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    bytes: VecDeque<u8>,
    /// Bytes that were here before, and are acknowledged.
    released: u64,
    /// Answers, and the count of bytes up to which they reach; the oldest first.
    answers_up_to: VecDeque<(u64, usize)>,
    answers: usize,
}

impl Unacked {
    /// Adds bytes of the gateway's own.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend(bytes);
    }

    /// Makes room for so many bytes more. The room does not double when there is much already: it counts as memory that is
    /// held, and grows even after readers were paused, by what waited for the peer until then.
    fn make_room(&mut self, more: usize) {
        let len = self.bytes.len();
        if self.bytes.capacity() - len < more {
            self.bytes.reserve_exact(more.max(len / GROWTH).max(len.min(LEAST_MORE)));
        }
    }

    /// Moves at most `most` bytes from the outbox to here, and keeps no more than `bound`.
    pub(super) fn take(&mut self, outbox: &mut Outbox, pool: &mut LocalPool, most: usize, bound: usize) {
        let mut room = most.min(bound.saturating_sub(self.bytes.len()));
        while room > 0 {
            let Some(first) = outbox.first() else { return };
            let part = first.get(..room).unwrap_or(first);
            let taken = part.len();
            self.make_room(taken);
            self.bytes.extend(part);
            let before = outbox.waiting().answers;
            outbox.advance(pool, taken);
            self.note_answers(before - outbox.waiting().answers);
            room -= taken;
        }
    }

    /// The bytes up to here hold so many answers more.
    fn note_answers(&mut self, answers: usize) {
        if answers > 0 {
            self.answers_up_to.push_back((self.released + self.bytes.len() as u64, answers));
            self.answers += answers;
        }
    }

    /// Answers among the unacknowledged bytes.
    #[inline]
    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    /// Memory that it takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives up room that is left from a burst, and is much more than what is in it.
    pub(super) fn shrink_after_burst(&mut self) {
        if self.bytes.capacity() > MOST_SPARE + 4 * self.bytes.len() {
            self.bytes.shrink_to(2 * self.bytes.len());
        }
    }

    /// Gives up room that is not needed now.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.answers_up_to.shrink_to_fit();
    }
}

impl ReplayBuffer for Unacked {
    #[inline]
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn copy(&self, from: usize, to: &mut [u8]) {
        self.bytes.copy(from, to);
    }

    fn release(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        self.bytes.release(count);
        self.released += count as u64;
        while let Some((_, answers)) = self.answers_up_to.pop_front_if(|(end, _)| *end <= self.released) {
            self.answers -= answers;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::pool::{Pool, PoolConfig};
    use crate::mux::routing::Origin;

    #[test]
    fn answers_count_until_they_are_acknowledged() {
        let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
        let (mut outbox, mut unacked) = (Outbox::default(), Unacked::default());
        outbox.append(&mut pool, &[1; 100], 10, Origin::Itself);
        outbox.append(&mut pool, &[2; 100], 1, Origin::Others);
        unacked.take(&mut outbox, &mut pool, 150, usize::MAX);
        assert_eq!((unacked.len(), unacked.answers(), outbox.waiting().answers), (150, 0, 10), "a part of a chunk");
        unacked.take(&mut outbox, &mut pool, usize::MAX, usize::MAX);
        assert_eq!((unacked.len(), unacked.answers(), outbox.waiting().answers), (200, 10, 0));
        unacked.release(199);
        assert_eq!((unacked.len(), unacked.answers()), (1, 10));
        outbox.append(&mut pool, &[3; 9], 1, Origin::Itself);
        unacked.take(&mut outbox, &mut pool, usize::MAX, usize::MAX);
        unacked.release(1);
        assert_eq!((unacked.len(), unacked.answers()), (9, 1));
        unacked.release(9);
        assert_eq!((unacked.len(), unacked.answers()), (0, 0));
        assert!(unacked.answers_up_to.is_empty());
    }

    /// Readers are paused at half of the bound on memory, and what waits by then still moves to here.
    #[test]
    fn the_room_is_at_most_a_quarter_more_than_what_is_not_acknowledged() {
        let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
        let (mut outbox, mut unacked) = (Outbox::default(), Unacked::default());
        for _ in 0..2000 {
            outbox.append(&mut pool, &[1; 1000], 1, Origin::Others);
            unacked.take(&mut outbox, &mut pool, usize::MAX, usize::MAX);
            let (held, bytes) = (unacked.held_bytes(), unacked.len());
            assert!(held <= (bytes + bytes / 4).max(2 * bytes.min(MOST_SPARE)), "{held} for {bytes} bytes");
        }
    }

    #[test]
    fn no_more_is_taken_than_may_be_kept() {
        let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
        let (mut outbox, mut unacked) = (Outbox::default(), Unacked::default());
        outbox.append(&mut pool, &[1; 100], 1, Origin::Others);
        unacked.extend(&[0; 30]);
        unacked.take(&mut outbox, &mut pool, usize::MAX, 50);
        unacked.take(&mut outbox, &mut pool, usize::MAX, 50);
        assert_eq!((unacked.len(), outbox.waiting().bytes), (50, 80));
    }
}
