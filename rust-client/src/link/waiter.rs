//! Waiting for the progress of the link's task.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Notify;

/// Everyone who waits for one thing of the link: the senders of a connection, or the dialing handles.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    /// Notified when there may be room, when a flush may be complete, and at the end.
    pub(crate) changed: Arc<Notify>,
    /// Whether it is in the list for room; written under the link's lock only.
    pub(super) wants_room: AtomicBool,
    /// Whether it is in the list of flushes; written under the link's lock only.
    pub(super) wants_flush: AtomicBool,
}
