//! The bound on unread bytes of all connections of a link together.

use std::sync::Arc;

use super::driver::Driver;
use super::inbox::Inbox;

impl<S> Driver<S> {
    /// Forgets an ended connection. If it left unread messages, they still count.
    pub(super) fn retire(&mut self, inbox: Arc<Inbox>) {
        if inbox.has_unread() {
            self.ended.push(inbox);
        }
    }

    /// Drops the messages of connections that must not hold the link, the largest first. If that is not enough, holds
    /// the link.
    pub(super) fn enforce_total(&mut self) {
        self.recount();
        while self.link.unread.is_full() {
            let Some(largest) = self.largest_that_must_not_hold() else {
                if self.link.unread.hold() {
                    self.hold();
                }
                return;
            };
            self.throw_away(&largest);
        }
    }

    /// Collects what all readers have freed: they report in batches.
    pub(super) fn recount(&self) {
        self.readable().for_each(|inbox| self.link.release(inbox.freed()));
    }

    fn largest_that_must_not_hold(&self) -> Option<Arc<Inbox>> {
        let candidates = self.readable().filter(|inbox| !inbox.can_hold());
        let (bytes, largest) = candidates.map(|inbox| (inbox.queued_bytes(), inbox)).max_by_key(|(bytes, _)| *bytes)?;
        (bytes > 0).then(|| Arc::clone(largest))
    }

    fn readable(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.conns.values().chain(&self.ended.inboxes)
    }

    fn throw_away(&mut self, inbox: &Inbox) {
        if inbox.end().is_none() {
            let (messages, bytes) = inbox.unread();
            self.close_full(inbox.id, messages, bytes);
        }
        self.link.release(inbox.throw_away());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::carrier::Plain;
    use crate::link::receive::Run;
    use crate::link::shared::Link;
    use crate::{ClientConfig, CloseReason};
    use bytes::BytesMut;
    use fastway_wire::ConnId;
    use std::collections::VecDeque;

    #[test]
    fn a_reader_in_the_middle_of_a_batch_of_an_ended_connection_is_asked_too() {
        loom::model(|| {
            let mut config = ClientConfig::default().link;
            config.ping_interval = None;
            let link = Arc::new(Link::new(config));
            let mut driver = Driver::new(Plain(tokio::io::empty()), Arc::clone(&link), None);
            let inbox = Arc::new(Inbox::new(ConnId::new(1), link.config.receive_queue));
            link.unread.add(30);
            inbox.deliver(Run { conn: inbox.id, frames: BytesMut::zeroed(30), messages: 3, copy: false });
            assert!(inbox.poll_take(&mut VecDeque::new(), None).0.is_ready());
            inbox.finish(CloseReason::Remote);
            driver.retire(Arc::clone(&inbox));
            inbox.consumed(2, 20);
            driver.recount();
            assert_eq!(link.unread.bytes(), 10);
        });
    }
}
