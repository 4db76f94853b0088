//! Ended connections that were not read to the end.

use std::sync::Arc;

use super::inbox::Inbox;

/// Ended connections with unread messages.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) inboxes: Vec<Arc<Inbox>>,
    /// The length of the list at which read ones are removed.
    most: usize,
}

impl Ended {
    /// Removes read ones when the list has doubled, so that each push costs little.
    pub(super) fn push(&mut self, inbox: Arc<Inbox>) {
        if self.inboxes.len() >= self.most {
            self.inboxes.retain(|inbox| inbox.has_unread());
            self.most = 64.max(2 * self.inboxes.len());
        }
        self.inboxes.push(inbox);
    }
}
