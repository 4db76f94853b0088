//! What a worker does when it is time to.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::agenda::Due;
use super::core::Core;
use crate::mux::routing::LinkAddr;

impl Core {
    /// Has a session send the acknowledgement that it owes, at `at` or a little earlier.
    pub(super) fn schedule_ack(&mut self, at: Instant, session: LinkAddr) {
        self.agenda.schedule_ack(at, session);
        self.request_wakeup();
    }

    /// Has the handshakes looked at again to which no turn may be given now.
    pub(super) fn retry_turns(&mut self, now: Instant) {
        self.agenda.retry_turns(now);
        self.request_wakeup();
    }

    /// Has a task told when this time has passed.
    pub(super) fn notify_after(&mut self, time: Duration, task: Rc<Notify>) {
        self.agenda.notify_at(self.clock.read() + time, task);
        self.request_wakeup();
    }

    /// The ticker has woken the worker.
    pub(super) fn meet_deadlines(&mut self) {
        self.agenda.woken();
        // The turn may have begun before the time for which the ticker woke it.
        let now = self.clock.read();
        while let Some(due) = self.agenda.next_due(now) {
            match due {
                Due::Turns => self.acceptance.tick(),
                Due::Task(task) => task.notify_one(),
                Due::Close(client) => self.close_drained(client),
                Due::Ack(session, until) => self.send_ack(session, until),
            }
        }
        self.request_wakeup();
    }

    pub(super) fn request_wakeup(&mut self) {
        if let Some(at) = self.agenda.next_wakeup() {
            self.shared.wakeups.request(self.me, at);
        }
    }
}
