//! The deadlines of a worker, and when it has to be woken for them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use fastway_service::Deadlines;
use tokio::sync::Notify;

use crate::mux::routing::LinkAddr;

/// Acknowledgements that are due within this time are sent with those that are due now: half of the time that they have.
const ACKS_AHEAD: Duration = Duration::from_millis(50);
/// How long handshakes wait that a bound has held up, before they are looked at again.
const TURNS_PAUSE: Duration = Duration::from_millis(50);

/// What a worker has to do at a time of its own, rather than at the next sweep.
#[derive(Debug)]
pub(super) struct Agenda {
    deadlines: Deadlines<Due>,
    /// Sessions that owe an acknowledgement.
    acks: Deadlines<LinkAddr>,
    /// When the ticker wakes the worker, if it does.
    woken_at: Option<Instant>,
    are_turns_set: bool,
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    /// A look at the handshakes that a bound has held up.
    Turns,
    /// A task goes on.
    Task(Rc<Notify>),
    /// The link of a client is closed for the drain.
    Close(LinkAddr),
    /// A session sends its acknowledgement, which is due by then.
    Ack(LinkAddr, Instant),
}

impl Agenda {
    /// Nothing is to be done.
    pub(super) fn new(now: Instant) -> Self {
        Self { deadlines: Deadlines::new(now), acks: Deadlines::new(now), woken_at: None, are_turns_set: false }
    }

    /// Has a session send the acknowledgement that it owes, at `at` or a little earlier.
    pub(super) fn schedule_ack(&mut self, at: Instant, session: LinkAddr) {
        self.acks.set(at, session);
    }

    /// Has the handshakes looked at again to which no turn may be given now.
    pub(super) fn retry_turns(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.are_turns_set, true) {
            self.deadlines.set(now + TURNS_PAUSE, Due::Turns);
        }
    }

    /// Has a task told when it is `at`.
    pub(super) fn notify_at(&mut self, at: Instant, task: Rc<Notify>) {
        self.deadlines.set(at, Due::Task(task));
    }

    /// Has the link of a client closed `at` some time of a drain.
    pub(super) fn close_at(&mut self, at: Instant, client: LinkAddr) {
        self.deadlines.set(at, Due::Close(client));
    }

    /// The ticker has woken the worker: what is due is there to be taken.
    pub(super) fn woken(&mut self) {
        self.woken_at = None;
    }

    /// Takes the next thing that is due.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Due> {
        if let Some(due) = self.deadlines.pop(now) {
            if matches!(due, Due::Turns) {
                self.are_turns_set = false;
            }
            return Some(due);
        }
        let until = now + ACKS_AHEAD;
        self.acks.pop(until).map(|session| Due::Ack(session, until))
    }

    /// When to have the worker woken, if the ticker does not do so by then.
    pub(super) fn next_wakeup(&mut self) -> Option<Instant> {
        let earliest = [self.deadlines.wake_at(), self.acks.wake_at()].into_iter().flatten().min()?;
        if self.woken_at.is_some_and(|woken_at| woken_at <= earliest) {
            return None;
        }
        self.woken_at = Some(earliest);
        Some(earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::routing::{LinkId, Slot, WorkerId};

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn link(id: u32) -> LinkAddr {
        LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) }
    }

    #[test]
    fn a_worker_is_woken_anew_only_for_what_comes_earlier() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert_eq!(agenda.next_wakeup(), None);
        agenda.schedule_ack(start + millis(100), link(1));
        assert_eq!([agenda.next_wakeup(), agenda.next_wakeup()], [Some(start + millis(100)), None]);
        agenda.notify_at(start + millis(300), Rc::default());
        assert_eq!(agenda.next_wakeup(), None);
        agenda.retry_turns(start);
        assert_eq!(agenda.next_wakeup(), Some(start + millis(50)));
        agenda.woken();
        assert_eq!(agenda.next_wakeup(), Some(start + millis(50)), "it was not done yet");
    }

    #[test]
    fn acknowledgements_that_are_due_soon_are_sent_with_the_first_one() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        [100, 140, 160].into_iter().zip(1..).for_each(|(at, id)| agenda.schedule_ack(start + millis(at), link(id)));
        let mut sent = || std::iter::from_fn(|| agenda.next_due(start + millis(100))).count();
        assert_eq!([sent(), sent()], [2, 0]);
        assert_eq!(agenda.next_wakeup(), Some(start + millis(160)));
    }

    #[test]
    fn what_a_due_acknowledgement_brings_waits_for_the_next_time() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        agenda.schedule_ack(start, link(1));
        assert!(matches!(agenda.next_due(start), Some(Due::Ack(..))));
        agenda.schedule_ack(start, link(1));
        assert!(agenda.next_due(start).is_none());
        assert!(agenda.next_wakeup().is_some());
    }

    #[test]
    fn handshakes_are_looked_at_once_however_often_they_were_held_up() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        agenda.retry_turns(start);
        agenda.retry_turns(start + millis(20));
        let due = |agenda: &mut Agenda, at| std::iter::from_fn(|| agenda.next_due(start + millis(at))).count();
        assert_eq!(due(&mut agenda, 49), 0);
        assert_eq!(due(&mut agenda, 500), 1);
        agenda.retry_turns(start + millis(500));
        assert_eq!(due(&mut agenda, 550), 1);
    }
}
