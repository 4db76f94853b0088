//! The part of a link that its task and the handles of the application share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Timeout, timeout};

use super::inbox::Inbox;
use super::outgoing::{Closing, Dialed, Outgoing, Pushed};
use super::unread::{Freed, Unread};
use super::waiter::Waiter;
use crate::config::LinkConfig;
use crate::lock::lock;
use crate::queue::Queue;
use crate::stats::Counters;
use crate::{CloseReason, LinkEnd, LinkStats, Remote};

/// A link, as its task and the handles share it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) config: LinkConfig,
    pub(crate) counters: Counters,
    /// Connections that the other side opened.
    pub(crate) accepts: Queue<RawConnection>,
    pub(super) out: Mutex<Outgoing<Answer>>,
    /// The handles whose dial waits for room.
    pub(super) dialers: Arc<Waiter>,
    /// Received bytes that were not read yet, on all connections together.
    pub(crate) unread: Unread,
    /// How many receive queues prevent reading of the link. The total of all of them counts as one more.
    pub(super) holds: AtomicUsize,
    /// The runtime of the link's task and of all timers.
    runtime: Option<Handle>,
    end: OnceLock<LinkEnd>,
    ended: Notify,
}

/// The gateway's answer to a dial.
#[derive(Debug)]
pub(crate) enum Answer {
    Accepted(RawConnection),
    Refused,
}

impl Link {
    pub(crate) fn new(config: LinkConfig) -> Self {
        Self {
            accepts: Queue::new(config.pending_accepts),
            out: Mutex::new(Outgoing::new(config.send_buffer_bytes)),
            unread: Unread::new(config.receive_total_bytes),
            config,
            dialers: Arc::default(),
            counters: Counters::default(),
            holds: AtomicUsize::new(0),
            runtime: Handle::try_current().ok(),
            end: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// Bounds the time of `work`, which may be polled outside of the runtime.
    pub(crate) fn within<F: Future>(&self, limit: Duration, work: F) -> Timeout<F> {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        timeout(limit, work)
    }

    /// Queues a dial once there is room, and waits for its answer.
    pub(crate) async fn dial(&self, remote: Remote) -> Result<Answer, LinkEnd> {
        loop {
            // Registered before the attempt, so that no change is missed in between.
            let changed = self.dialers.changed.notified();
            let (dialed, task) = lock(&self.out).dial(remote.get(), &self.dialers);
            task.into_iter().for_each(Waker::wake);

            match dialed {
                Dialed::Queued(answer) => return answer.await.map_err(|_| self.end_or_stopped()),
                Dialed::HeldUp => changed.await,
                Dialed::Ended => return Err(self.end_or_stopped()),
            }
        }
    }

    /// Queues a copy of a message, unless the link is held up.
    #[inline]
    pub(crate) fn push_copy(&self, conn: &Inbox, payload: &[u8]) -> Pushed {
        let (pushed, task) = lock(&self.out).push_with(&conn.waiter, |outbox| outbox.push_copy(conn.id, payload));
        task.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Queues copies of the first messages, until the link is held up. Returns how many.
    pub(crate) fn push_copies(&self, conn: &Inbox, messages: &[&[u8]]) -> usize {
        let (pushed, task) = lock(&self.out).push_copies(conn, messages);
        task.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Queues a message, unless the link is held up.
    #[inline]
    pub(crate) fn push(&self, conn: &Inbox, payload: &Bytes) -> Pushed {
        let (pushed, task) = lock(&self.out).push_with(&conn.waiter, |outbox| outbox.push(conn.id, payload));
        task.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Queues a message whose room was granted before.
    pub(crate) fn push_anyway(&self, conn: &Inbox, payload: &Bytes) -> Pushed {
        let (pushed, task) = lock(&self.out).push_anyway(|outbox| outbox.push(conn.id, payload));
        task.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Whether a message would be queued now. If not, `conn` is notified when to ask again.
    pub(crate) fn has_room_for(&self, conn: &Inbox) -> bool {
        lock(&self.out).has_room_for(&conn.waiter)
    }

    pub(crate) fn is_held_up(&self) -> bool {
        lock(&self.out).is_held_up()
    }

    /// The position in the stream behind everything queued so far.
    pub(crate) fn queued_position(&self) -> u64 {
        lock(&self.out).queued_position()
    }

    /// Whether everything before `position` is written to the stream. If not, `conn` is notified when it is.
    pub(crate) fn has_written(&self, position: u64, conn: &Inbox) -> bool {
        lock(&self.out).has_written(position, &conn.waiter)
    }

    /// Closes a connection, with one command to the other end.
    pub(crate) fn close(&self, conn: &Inbox) {
        let (first, released) = conn.finish(CloseReason::Local);
        if released {
            self.release_hold();
        }

        if first {
            let task = lock(&self.out).close(conn.id, true);
            task.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes back what a reader has freed.
    pub(crate) fn release(&self, freed: Freed) {
        if freed.hold {
            self.release_hold();
        }
        if freed.bytes > 0 && self.unread.remove(freed.bytes) {
            self.release_hold();
        }
    }

    /// A receive queue, or the total of all, no longer prevents reading.
    fn release_hold(&self) {
        if self.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_task();
        }
    }

    /// Queues a ping, and wakes the task.
    pub(crate) fn ping(&self) {
        let task = {
            let mut out = lock(&self.out);
            out.ping();
            out.wake()
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// Asks the task to close the link. If the link has ended already, connections that were not accepted are dropped.
    pub(crate) fn shut_down(&self, closing: Closing) {
        let task = lock(&self.out).shut_down(closing);
        task.into_iter().for_each(Waker::wake);

        if self.end.get().is_some() {
            drop(self.accepts.close());
        }
    }

    fn wake_task(&self) {
        let task = lock(&self.out).wake();
        task.into_iter().for_each(Waker::wake);
    }

    /// Why the link has ended; `None` while it is open.
    pub(crate) fn end(&self) -> Option<&LinkEnd> {
        self.end.get()
    }

    /// Waits for the end of the link.
    pub(crate) async fn ended(&self) -> LinkEnd {
        loop {
            let ended = self.ended.notified();
            if let Some(end) = self.end.get() {
                return end.clone();
            }
            ended.await;
        }
    }

    /// The end of the link, for a dial that got no answer.
    pub(crate) fn end_or_stopped(&self) -> LinkEnd {
        let unfinished = if lock(&self.out).is_closing() { LinkEnd::Closed } else { LinkEnd::RuntimeStopped };
        self.end.get().cloned().unwrap_or(unfinished)
    }

    pub(crate) fn stats(&self) -> LinkStats {
        let (sent_bytes, waiting_bytes) = lock(&self.out).sent_and_waiting();
        LinkStats {
            received_messages: self.counters.received_messages.get(),
            received_bytes: self.counters.received_bytes.get(),
            sent_bytes,
            waiting_bytes,
            unread_bytes: self.unread.bytes(),
            sends_held_up: self.counters.sends_held_up.get(),
            reads_held: self.counters.reads_held.get(),
            closed_queue_full: self.counters.closed_queue_full.get(),
            accepts_overflowed: self.counters.accepts_overflowed.get(),
            late_accepts: self.counters.late_accepts.get(),
            ..LinkStats::default()
        }
    }

    /// Sets the end of the link; false if it was set before. It comes before every notification: a task that finds its
    /// dial or its connection gone looks here.
    pub(super) fn publish_end(&self, end: &LinkEnd) -> bool {
        tracing::debug!(%end, "the link has ended");
        self.end.set(end.clone()).is_ok()
    }

    /// The last act of the task: wakes everyone who waits for this link.
    pub(super) fn finish(&self) {
        let (left, asked_for) = {
            let mut out = lock(&self.out);
            (out.finish(), out.is_closing())
        };

        drop(left);
        // Connections that were opened before an end that this side did not ask for can still be accepted.
        if asked_for {
            drop(self.accepts.close());
        } else {
            self.accepts.finish();
        }
        self.dialers.changed.notify_waiters();
        self.ended.notify_waiters();
    }
}

/// A connection before its remote ID has a type.
#[derive(Debug)]
pub(crate) struct RawConnection {
    pub(crate) handle: Arc<ConnectionHandle>,
    pub(crate) remote: u32,
}

impl RawConnection {
    pub(crate) fn new(inbox: Arc<Inbox>, link: Arc<Link>, remote: u32) -> Self {
        Self { handle: Arc::new(ConnectionHandle { inbox, link }), remote }
    }
}

/// The part of a connection that its halves share. Dropping the last half closes it.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) link: Arc<Link>,
}

impl ConnectionHandle {
    pub(crate) fn close(&self) {
        self.link.close(&self.inbox);
    }

    /// Drops received messages, and all that still come.
    pub(crate) fn abandon(&self) {
        self.link.release(self.inbox.abandon());
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.inbox.end().cloned()
    }

    pub(crate) async fn closed(&self) -> CloseReason {
        loop {
            let changed = self.inbox.waiter.changed.notified();
            if let Some(reason) = self.close_reason() {
                return reason;
            }
            changed.await;
        }
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.close();
        self.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientConfig;
    use fastway_wire::ConnId;

    #[test]
    fn a_lost_link_with_connections_nobody_accepted_is_freed_with_its_endpoint() {
        loom::model(|| {
            let link = Arc::new(Link::new(ClientConfig::default().link));
            let inbox = Arc::new(Inbox::new(ConnId::new(1), link.config.receive_queue));
            link.accepts.push(RawConnection::new(inbox, Arc::clone(&link), 7)).unwrap();
            assert!(link.publish_end(&LinkEnd::Gateway));
            link.finish();
            assert_eq!(Arc::strong_count(&link), 2);
            link.shut_down(Closing::AtOnce);
            assert_eq!(Arc::strong_count(&link), 1);
        });
    }
}
