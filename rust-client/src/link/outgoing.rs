//! What the handles want from the link's task, behind the link's one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use fastway_wire::{Command, ConnId, PayloadTooLong};
use tokio::sync::oneshot;

use super::outbox::Outbox;
use super::{Answer, Closing, Inbox};

/// What waits for the link's task. Methods that give a [`Waker`] want it woken after the lock is released.
#[derive(Debug)]
pub(super) struct Outgoing {
    ready: Outbox,
    /// Bytes that the task has taken from here and not written yet.
    in_flight_bytes: usize,
    bound_bytes: usize,
    queued_bytes: u64,
    written_bytes: u64,
    /// Position behind the last ping.
    ping_end: u64,
    dials: VecDeque<PendingDial>,
    /// Connections that ended on this side since the task looked.
    closed: Vec<ConnId>,
    closing: Option<Closing>,
    wanting_room: Vec<Arc<Inbox>>,
    flushing: Vec<(u64, Arc<Inbox>)>,
    task: Option<Waker>,
    /// The task was woken, or will look by itself.
    task_knows: bool,
    ended: bool,
}

#[derive(Debug)]
struct PendingDial {
    remote: u32,
    asking: oneshot::Sender<Answer>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is on its way.
    Queued,
    /// The link is held up; the connection is told when to try again.
    HeldUp,
    /// It fits no frame.
    TooLong,
}

/// What the task is asked to do, besides writing.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) closed: Vec<ConnId>,
    pub(super) closing: Option<Closing>,
}

impl Outgoing {
    pub(super) fn new(bound_bytes: usize) -> Self {
        Self {
            ready: Outbox::default(),
            in_flight_bytes: 0,
            bound_bytes,
            queued_bytes: 0,
            written_bytes: 0,
            ping_end: 0,
            dials: VecDeque::new(),
            closed: Vec::new(),
            closing: None,
            wanting_room: Vec::new(),
            flushing: Vec::new(),
            task: None,
            task_knows: false,
            ended: false,
        }
    }

    #[inline]
    pub(super) fn push_with(
        &mut self,
        conn: &Arc<Inbox>,
        push: impl FnOnce(&mut Outbox) -> Result<(), PayloadTooLong>,
    ) -> (Pushed, Option<Waker>) {
        match self.has_room_for(conn) {
            true => self.push_anyway(push),
            false => (Pushed::HeldUp, None),
        }
    }

    /// Takes a message that was promised its room.
    #[inline]
    pub(super) fn push_anyway(
        &mut self,
        push: impl FnOnce(&mut Outbox) -> Result<(), PayloadTooLong>,
    ) -> (Pushed, Option<Waker>) {
        let before = self.ready.waiting_bytes();
        if push(&mut self.ready).is_err() {
            return (Pushed::TooLong, None);
        }
        self.queued_bytes += (self.ready.waiting_bytes() - before) as u64;
        (Pushed::Queued, self.wake_once())
    }

    /// Messages that this side makes itself are not bounded: each answers for one call.
    fn push_command(&mut self, command: Command) {
        let frame = command.encode();
        self.ready.push_command(&frame);
        self.queued_bytes += frame.len() as u64;
    }

    #[inline]
    pub(super) fn has_room_for(&mut self, conn: &Arc<Inbox>) -> bool {
        let room = !self.is_held_up();
        if !room && !conn.wants_room.swap(true, Ordering::Relaxed) {
            self.wanting_room.push(Arc::clone(conn));
        }
        room
    }

    #[inline]
    pub(super) fn is_held_up(&self) -> bool {
        self.waiting_bytes() >= self.bound_bytes && !self.ended
    }

    fn waiting_bytes(&self) -> usize {
        self.ready.waiting_bytes() + self.in_flight_bytes
    }

    pub(super) fn sent_and_waiting(&self) -> (u64, usize) {
        (self.written_bytes, self.waiting_bytes())
    }

    pub(super) fn queued_position(&self) -> u64 {
        self.queued_bytes
    }

    pub(super) fn has_written(&mut self, position: u64, conn: &Arc<Inbox>) -> bool {
        let written = self.written_bytes >= position || self.ended;
        let told = |(at, waiting): &(u64, Arc<Inbox>)| *at == position && Arc::ptr_eq(waiting, conn);
        if !written && !self.flushing.iter().any(told) {
            self.flushing.push((position, Arc::clone(conn)));
        }
        written
    }

    pub(super) fn dial(&mut self, remote: u32, asking: oneshot::Sender<Answer>) -> Option<Waker> {
        if self.ended || self.closing.is_some() {
            return None;
        }
        self.dials.push_back(PendingDial { remote, asking });
        self.push_command(Command::Dial { remote });
        self.wake_once()
    }

    /// Whether this side ends the link.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Gives all dials up; their answers may still come, and are expected.
    pub(super) fn give_up_dials(&mut self) {
        for dial in &mut self.dials {
            (dial.asking, _) = oneshot::channel();
        }
    }

    /// The oldest dial that waits, if it was for `remote`: answers come in the order of the dials.
    pub(super) fn answered(&mut self, remote: u32) -> Option<oneshot::Sender<Answer>> {
        self.dials.pop_front_if(|dial| dial.remote == remote).map(|dial| dial.asking)
    }

    /// Tells the other end that a connection has ended, and the task that it is to be forgotten.
    pub(super) fn close(&mut self, conn: ConnId, forget: bool) -> Option<Waker> {
        if self.ended {
            return None;
        }
        self.push_command(Command::Close { conn });
        self.closed.extend(forget.then_some(conn));
        self.wake()
    }

    /// Queues a ping, unless an earlier one is not written yet.
    pub(super) fn ping(&mut self) {
        if self.ping_end <= self.written_bytes {
            self.push_command(Command::Ping);
            self.ping_end = self.queued_bytes;
        }
    }

    pub(super) fn shut_down(&mut self, closing: Closing) -> Option<Waker> {
        self.closing = Some(closing);
        self.wake()
    }

    /// The waker of the task, when it has to be woken for the first message after it looked.
    #[inline]
    fn wake_once(&mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.task_knows, true) { None } else { self.task.clone() }
    }

    pub(super) fn wake(&mut self) -> Option<Waker> {
        self.task_knows = true;
        self.task.clone()
    }

    /// The task looks: gives what else is asked, and swaps what waits with `empty` unless that is still being written.
    pub(super) fn look(&mut self, task: &Waker, empty: &mut Outbox) -> Requests {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
        }
        self.take(empty);
        Requests { closed: std::mem::take(&mut self.closed), closing: self.closing }
    }

    /// Swaps what waits with `empty`, unless that is still being written.
    pub(super) fn take(&mut self, empty: &mut Outbox) {
        if empty.is_empty() {
            std::mem::swap(&mut self.ready, empty);
            self.in_flight_bytes = empty.waiting_bytes();
            self.task_knows = false;
        }
    }

    /// The task has written `count` bytes; collects in `told` who waited for that, and takes what waits next.
    pub(super) fn written(&mut self, count: usize, writing: &mut Outbox, told: &mut Vec<Arc<Inbox>>) {
        self.written_bytes += count as u64;
        self.in_flight_bytes = writing.waiting_bytes();
        if self.waiting_bytes() <= self.bound_bytes / 2 {
            self.wanting_room.iter().for_each(|conn| conn.wants_room.store(false, Ordering::Relaxed));
            told.append(&mut self.wanting_room);
        }
        let written = self.written_bytes;
        told.extend(self.flushing.extract_if(.., |(position, _)| *position <= written).map(|(_, conn)| conn));
        self.take(writing);
    }

    pub(super) fn shrink(&mut self) {
        self.ready.shrink();
    }

    /// Nothing will be sent any more. What is given back is to be dropped, and its wakers told, without the lock.
    pub(super) fn finish(&mut self) -> impl Drop + use<> {
        self.ended = true;
        self.task = None;
        self.in_flight_bytes = 0;
        let mut waiting = std::mem::take(&mut self.wanting_room);
        waiting.extend(self.flushing.drain(..).map(|(_, conn)| conn));
        Abandoned { waiting, _dials: std::mem::take(&mut self.dials), _unsent: std::mem::take(&mut self.ready) }
    }
}

/// Who waited for a link that has ended.
struct Abandoned {
    waiting: Vec<Arc<Inbox>>,
    _dials: VecDeque<PendingDial>,
    _unsent: Outbox,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.waiting.iter().for_each(|conn| conn.changed.notify_waiters());
    }
}
