//! What a link counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one link since it was made, and how full it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Messages received for connections.
    pub received_messages: u64,
    /// Bytes received, headers and commands included.
    pub received_bytes: u64,
    /// Bytes that the socket has taken, headers and commands included.
    pub sent_bytes: u64,
    /// Bytes that wait for the socket now.
    pub waiting_bytes: usize,
    /// Bytes that wait for `recv` on all connections now, 8 more per message than its payload has; what a `recv` took
    /// from them counts when it has come to the end of a batch.
    pub unread_bytes: usize,
    /// How often a `send` had to wait because the link was held up.
    pub sends_held_up: u64,
    /// How often the link was not read because a receive queue, or all together, were full
    /// ([`WhenFull::Hold`](crate::WhenFull::Hold)).
    pub reads_held: u64,
    /// Connections closed because their receive queue was full, or was the largest when all together were
    /// ([`WhenFull::CloseConnection`](crate::WhenFull::CloseConnection)).
    pub closed_queue_full: u64,
    /// Connections closed because too many waited to be accepted.
    pub accepts_overflowed: u64,
    /// Dials answered with "yes" after they were given up; those connections were closed at once.
    pub late_accepts: u64,
    /// How often the session lost its transport, or gave it up.
    pub interruptions: u64,
    /// How often the session went on by another transport.
    pub resumes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received_messages: Count,
    pub(crate) received_bytes: Count,
    pub(crate) sends_held_up: Count,
    pub(crate) reads_held: Count,
    pub(crate) closed_queue_full: Count,
    pub(crate) accepts_overflowed: Count,
    pub(crate) late_accepts: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
