//! Connections that have ended and were not read to the end.

use std::sync::Arc;

use super::inbox::Inbox;

/// Connections that have ended and left messages.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) inboxes: Vec<Arc<Inbox>>,
    /// How many there may be before a look at which have been read.
    most: usize,
}

impl Ended {
    /// Looks rarely enough that it costs little for each.
    pub(super) fn push(&mut self, inbox: Arc<Inbox>) {
        if self.inboxes.len() >= self.most {
            self.inboxes.retain(|inbox| inbox.has_unread());
            self.most = 64.max(2 * self.inboxes.len());
        }
        self.inboxes.push(inbox);
    }
}
