//! Unread bytes on all connections of a link together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lock::lock;

/// The bound of the link, besides those of its connections.
#[derive(Debug)]
pub(crate) struct Unread {
    bound_bytes: usize,
    bytes: Mutex<usize>,
    /// Whether the link is not read because of the bound; written under the lock only.
    holds_link: AtomicBool,
}

/// What a reader has freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Bytes that were consumed.
    pub(crate) bytes: usize,
    /// Whether the queue held the link until now.
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

    /// Counts received bytes. Returns whether the bound is reached.
    pub(super) fn add(&self, more: usize) -> bool {
        let mut bytes = lock(&self.bytes);
        *bytes += more;
        *bytes >= self.bound_bytes
    }

    /// Counts freed bytes. Returns whether the link may be read again.
    pub(super) fn remove(&self, freed: usize) -> bool {
        let mut bytes = lock(&self.bytes);
        *bytes = bytes.saturating_sub(freed);
        *bytes <= self.bound_bytes / 2 && self.holds_link.swap(false, Ordering::Relaxed)
    }

    /// Holds the link until half of the bound is free. Returns whether that is new.
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
