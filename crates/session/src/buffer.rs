//! Bytes that were not acknowledged yet, and may have to be sent again.

use std::collections::VecDeque;

/// The stream's bytes from the first unacknowledged one on, sent or not. The sender of the stream owns it.
///
/// The owner appends at its end and bounds it; the session reads it and releases what the other end has acknowledged.
/// It can be an outbox that keeps sent bytes until they are acknowledged.
pub trait ReplayBuffer {
    /// Bytes kept.
    fn len(&self) -> usize;

    /// Copies bytes from index `from` on into `to`, which is never longer than what is kept from there on.
    fn copy(&self, from: usize, to: &mut [u8]);

    /// Drops the oldest `count` bytes.
    fn release(&mut self, count: usize);

    /// Whether nothing is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`ReplayBuffer`] with a bound in bytes. It allocates as it fills, and frees its memory when it is empty.
#[derive(Debug)]
pub struct Backlog {
    bytes: VecDeque<u8>,
    bound: usize,
}

/// The first allocation, in bytes.
const FIRST_CAPACITY: usize = 1024;

impl Backlog {
    /// An empty backlog that keeps at most `bound` bytes.
    pub const fn new(bound: usize) -> Self {
        Self { bytes: VecDeque::new(), bound }
    }

    /// How many more bytes it accepts now.
    pub fn room(&self) -> usize {
        self.bound - self.bytes.len()
    }

    /// Appends as much of `bytes` as there is room for, and returns how many bytes that is.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.grow(taken);
        self.bytes.extend(bytes.get(..taken).unwrap_or_default());
        taken
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Doubles the allocation, up to the bound.
    fn grow(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let wanted = needed.max(self.bytes.capacity() * 2).max(FIRST_CAPACITY).min(self.bound);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
    }
}

/// A buffer without a bound of its own, which keeps its allocation.
impl ReplayBuffer for VecDeque<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn copy(&self, from: usize, to: &mut [u8]) {
        // The bytes may wrap around: the front of `to` comes from the first slice, the rest from the second.
        let (first, second) = self.as_slices();
        let head = first.get(from..).unwrap_or_default();
        let (to_head, to_tail) = to.split_at_mut(head.len().min(to.len()));
        to_head.copy_from_slice(head.get(..to_head.len()).unwrap_or_default());

        let skipped = from.saturating_sub(first.len());
        if let Some(tail) = second.get(skipped..skipped + to_tail.len()) {
            to_tail.copy_from_slice(tail);
        }
    }

    fn release(&mut self, count: usize) {
        self.drain(..count.min(self.len()));
    }
}

impl ReplayBuffer for Backlog {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn copy(&self, from: usize, to: &mut [u8]) {
        self.bytes.copy(from, to);
    }

    fn release(&mut self, count: usize) {
        self.bytes.release(count);
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_one_holds_no_memory() {
        let mut backlog = Backlog::new(1 << 20);
        assert_eq!(backlog.capacity(), 0);
        assert_eq!(backlog.push(&[7; 5000]), 5000);
        backlog.release(5000);
        assert_eq!(backlog.capacity(), 0);
    }

    proptest! {
        #[test]
        fn it_keeps_the_order_and_its_bound(
            bound in 1..5000usize,
            steps in prop::collection::vec((0..3000usize, 0..3000usize, 0..1000usize), 1..40),
        ) {
            let byte = |at: usize| u8::try_from(at % 251).unwrap();
            let mut backlog = Backlog::new(bound);
            let (mut written, mut released) = (0usize, 0usize);
            for (push, release, from) in steps {
                let bytes: Vec<u8> = (written..written + push).map(byte).collect();
                written += backlog.push(&bytes);
                prop_assert!(backlog.len() <= bound && backlog.capacity() <= bound);
                let release = release.min(backlog.len());
                backlog.release(release);
                released += release;
                prop_assert_eq!(backlog.len(), written - released);
                let from = from.min(backlog.len());
                let mut read = vec![0; backlog.len() - from];
                backlog.copy(from, &mut read);
                let expected: Vec<u8> = (released + from..written).map(byte).collect();
                prop_assert_eq!(read, expected);
            }
        }
    }
}
