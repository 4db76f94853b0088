//! How much waits to be read on all connections of a link together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lock::lock;

/// The link's own bound, besides those of its connections.
#[derive(Debug)]
pub(crate) struct Unread {
    bound_bytes: usize,
    bytes: Mutex<usize>,
    /// Whether the link is not read because of the bound; written under the lock only.
    holds_link: AtomicBool,
}

/// What a reader's progress gives back to its link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Bytes that wait no more.
    pub(crate) bytes: usize,
    /// The queue held the link, and does no more.
    pub(crate) hold: bool,
}

impl Unread {
    pub(super) fn new(bound_bytes: usize) -> Self {
        Self { bound_bytes, bytes: Mutex::default(), holds_link: AtomicBool::new(false) }
    }

    pub(super) fn bytes(&self) -> usize {
        *lock(&self.bytes)
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.bound_bytes
    }

    /// Counts what has come; says whether it is too much.
    pub(super) fn add(&self, more: usize) -> bool {
        let mut bytes = lock(&self.bytes);
        *bytes += more;
        *bytes >= self.bound_bytes
    }

    /// Counts what has gone; says whether the link may be read again.
    pub(super) fn remove(&self, freed: usize) -> bool {
        let mut bytes = lock(&self.bytes);
        *bytes = bytes.saturating_sub(freed);
        *bytes <= self.bound_bytes / 2 && self.holds_link.swap(false, Ordering::Relaxed)
    }

    /// Holds the link until half of the bound is free; says whether that is new.
    pub(super) fn hold(&self) -> bool {
        let bytes = lock(&self.bytes);
        *bytes >= self.bound_bytes && !self.holds_link.swap(true, Ordering::Relaxed)
    }

    /// Whether the link is held, as far as this thread knows.
    #[inline]
    pub(crate) fn seems_held(&self) -> bool {
        self.holds_link.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_starts_at_the_bound_and_ends_at_half_of_it() {
        let unread = Unread::new(100);
        assert!(!unread.add(99) && !unread.hold());
        assert!(unread.add(1) && unread.hold());
        assert!(unread.add(50) && !unread.hold(), "it is held already");
        assert!(!unread.remove(99));
        assert!(unread.remove(1));
        assert!(!unread.remove(50));
        assert_eq!(unread.bytes(), 0);
    }
}
