//! Who waits for the link's task to get on with writing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Notify;

/// All who wait for one thing of the link together: the senders of a connection, or those who dial.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    /// Told when there may be room, when a flush may be complete, and at the end.
    pub(crate) changed: Arc<Notify>,
    /// Whether it is in the list of those who want room; written under the link's lock only.
    pub(super) wants_room: AtomicBool,
    /// Whether it is in the list of those who flush; written under the link's lock only.
    pub(super) wants_flush: AtomicBool,
}
