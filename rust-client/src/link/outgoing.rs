//! Requests of the handles to the link's task, behind the link's one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use fastway_wire::{Command, ConnId, PayloadTooLong};
use tokio::sync::oneshot;

use super::dials::Dials;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::waiter::Waiter;

/// How an endpoint closes its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// After everything queued is sent.
    Gently,
    /// At once.
    AtOnce,
}

/// The send queue of a link, and the requests to its task. `A` is the answer to a dial. A returned [`Waker`] must be
/// woken after the lock is released.
#[derive(Debug)]
pub(super) struct Outgoing<A> {
    ready: Outbox,
    /// Bytes that the task has taken and not written yet.
    in_flight_bytes: usize,
    bound_bytes: usize,
    queued_bytes: u64,
    written_bytes: u64,
    /// Position behind the last ping.
    ping_end: u64,
    pings: u64,
    dials: Dials<A>,
    /// Connections closed by this side since the task last asked.
    closed: Vec<ConnId>,
    closing: Option<Closing>,
    wanting_room: Vec<Arc<Waiter>>,
    /// Positions of the stream up to which flushes wait, in rising order.
    flushing: VecDeque<(u64, Arc<Waiter>)>,
    task: Option<Waker>,
    /// Whether the task was woken, or will look again by itself.
    task_knows: bool,
    ended: bool,
}

/// The outcome of queuing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is queued.
    Queued,
    /// The queue is full. The connection is notified when there is room.
    HeldUp,
    /// It does not fit into a frame.
    TooLong,
}

/// The outcome of queuing a dial.
#[derive(Debug)]
pub(super) enum Dialed<A> {
    /// It is queued. The sender is dropped if the link ends before the answer.
    Queued(oneshot::Receiver<A>),
    /// There is no room. The dialing handles are notified when there is.
    HeldUp,
    /// The link has ended, or is closing.
    Ended,
}

/// Requests to the task, besides writing.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) closed: Vec<ConnId>,
    pub(super) closing: Option<Closing>,
}

impl<A> Outgoing<A> {
    pub(super) fn new(bound_bytes: usize) -> Self {
        Self {
            ready: Outbox::default(),
            in_flight_bytes: 0,
            bound_bytes,
            queued_bytes: 0,
            written_bytes: 0,
            ping_end: 0,
            pings: 0,
            dials: Dials::default(),
            closed: Vec::new(),
            closing: None,
            wanting_room: Vec::new(),
            flushing: VecDeque::new(),
            task: None,
            task_knows: false,
            ended: false,
        }
    }

    /// Queues the message that `push` appends, unless the link is held up.
    #[inline]
    pub(super) fn push_with(
        &mut self,
        waiter: &Arc<Waiter>,
        push: impl FnOnce(&mut Outbox) -> Result<(), PayloadTooLong>,
    ) -> (Pushed, Option<Waker>) {
        match self.has_room_for(waiter) {
            true => self.push_anyway(push),
            false => (Pushed::HeldUp, None),
        }
    }

    /// Queues copies of the first messages, until the link is held up. Returns how many.
    pub(super) fn push_copies(&mut self, conn: &Inbox, messages: &[&[u8]]) -> (usize, Option<Waker>) {
        let mut task = None;
        for (count, message) in messages.iter().enumerate() {
            let (pushed, waker) = self.push_with(&conn.waiter, |outbox| outbox.push_copy(conn.id, message));
            if pushed != Pushed::Queued {
                return (count, task);
            }
            task = task.or(waker);
        }
        (messages.len(), task)
    }

    /// Queues a message whose room was granted before.
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

    /// Queues a command. The bound does not apply: each command is the result of one call or one received frame.
    fn push_command(&mut self, command: Command) {
        let frame = command.encode();
        self.ready.push_command(&frame);
        self.queued_bytes += frame.len() as u64;
    }

    /// Whether there is room. If not, `waiter` is notified when there is.
    #[inline]
    pub(super) fn has_room_for(&mut self, waiter: &Arc<Waiter>) -> bool {
        let room = !self.is_held_up();
        if !room {
            self.want_room(waiter);
        }
        room
    }

    fn want_room(&mut self, waiter: &Arc<Waiter>) {
        if !waiter.wants_room.swap(true, Ordering::Relaxed) {
            self.wanting_room.push(Arc::clone(waiter));
        }
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

    /// Whether everything before `position` is written. If not, `waiter` is notified when it is.
    pub(super) fn has_written(&mut self, position: u64, waiter: &Arc<Waiter>) -> bool {
        let written = self.written_bytes >= position;

        if !written && !self.ended && !waiter.wants_flush.swap(true, Ordering::Relaxed) {
            // Behind the last one, so that the order holds. A waiter that is notified too late checks again.
            let at = self.flushing.back().map_or(position, |(last, _)| position.max(*last));
            self.flushing.push_back((at, Arc::clone(waiter)));
        }
        written
    }

    /// Queues a dial, unless there is no room: then `dialers` are notified when there is.
    pub(super) fn dial(&mut self, remote: u32, dialers: &Arc<Waiter>) -> (Dialed<A>, Option<Waker>) {
        if self.ended || self.closing.is_some() {
            return (Dialed::Ended, None);
        }

        if self.is_held_up() || self.dials.is_full() {
            self.want_room(dialers);
            return (Dialed::HeldUp, None);
        }

        let answer = self.dials.push(remote);
        self.push_command(Command::Dial { remote });
        (Dialed::Queued(answer), self.wake_once())
    }

    /// Whether this side is closing the link.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Gives up all dials. Their answers may still come, and are expected. Drop the result without the lock: that wakes
    /// the tasks that wait for these dials.
    pub(super) fn give_up_dials(&mut self) -> Vec<oneshot::Sender<A>> {
        self.dials.give_up()
    }

    /// Takes the oldest dial, if it was for `remote`: answers come in the order of the dials. Collects the handles that
    /// waited for fewer dials in `to_notify`.
    pub(super) fn answered(&mut self, remote: u32, to_notify: &mut Vec<Arc<Waiter>>) -> Option<oneshot::Sender<A>> {
        let dialer = self.dials.take(remote);
        if self.dials.is_at_half() {
            self.collect_waiting_for_room(to_notify);
        }
        dialer
    }

    /// Queues a close of a connection, and lets the task forget it if `forget`.
    pub(super) fn close(&mut self, conn: ConnId, forget: bool) -> Option<Waker> {
        if self.ended {
            return None;
        }
        self.push_command(Command::Close { conn });
        self.closed.extend(forget.then_some(conn));
        self.wake()
    }

    /// Queues a ping, unless the last one is not written yet.
    pub(super) fn ping(&mut self) {
        if self.ping_end <= self.written_bytes {
            self.ping_behind_all();
        }
    }

    /// Queues a ping behind everything. Its answer proves that the gateway has read all before it.
    pub(super) fn ping_behind_all(&mut self) {
        self.push_command(Command::Ping);
        self.ping_end = self.queued_bytes;
        self.pings += 1;
    }

    /// How many pings the gateway must have answered so far.
    pub(super) fn pings(&self) -> u64 {
        self.pings
    }

    /// Asks the task to close the link.
    pub(super) fn shut_down(&mut self, closing: Closing) -> Option<Waker> {
        self.closing = Some(closing);
        self.wake()
    }

    /// The waker of the task for the first message after its last turn; later ones find it awake.
    #[inline]
    fn wake_once(&mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.task_knows, true) { None } else { self.task.clone() }
    }

    /// The waker of the task, for a request that it may not have seen.
    pub(super) fn wake(&mut self) -> Option<Waker> {
        self.task_knows = true;
        self.task.clone()
    }

    /// Called by the task: returns the requests, and swaps the queue with `empty` unless that is still being written.
    pub(super) fn take_requests(&mut self, task: &Waker, empty: &mut Outbox) -> Requests {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
        }

        self.take(empty);
        Requests { closed: std::mem::take(&mut self.closed), closing: self.closing }
    }

    /// Swaps the queue with `empty`, unless that is still being written. Both buffers are reused, so a batch costs no
    /// allocation.
    pub(super) fn take(&mut self, empty: &mut Outbox) {
        if empty.is_empty() {
            std::mem::swap(&mut self.ready, empty);
            self.in_flight_bytes = empty.waiting_bytes();
            self.task_knows = false;
        }
    }

    /// The task has written `count` bytes. Collects waiters that this affects in `to_notify`, and takes the next batch.
    pub(super) fn written(&mut self, count: usize, writing: &mut Outbox, to_notify: &mut Vec<Arc<Waiter>>) {
        self.written_bytes += count as u64;
        self.in_flight_bytes = writing.waiting_bytes();

        if self.waiting_bytes() <= self.bound_bytes / 2 {
            self.collect_waiting_for_room(to_notify);
        }

        let written = self.written_bytes;
        while let Some((_, waiter)) = self.flushing.pop_front_if(|(position, _)| *position <= written) {
            waiter.wants_flush.store(false, Ordering::Relaxed);
            to_notify.push(waiter);
        }

        self.take(writing);
    }

    /// Collects everyone who waits for room. They queue up again if there is too little.
    fn collect_waiting_for_room(&mut self, to_notify: &mut Vec<Arc<Waiter>>) {
        self.wanting_room.iter().for_each(|waiter| waiter.wants_room.store(false, Ordering::Relaxed));
        to_notify.append(&mut self.wanting_room);
    }

    pub(super) fn shrink(&mut self) {
        self.ready.shrink();
    }

    /// Ends the queue. Drop the result without the lock: that wakes all who wait.
    pub(super) fn finish(&mut self) -> impl Drop + use<A> {
        self.ended = true;
        self.task = None;
        self.in_flight_bytes = 0;

        let mut waiting = std::mem::take(&mut self.wanting_room);
        waiting.extend(self.flushing.drain(..).map(|(_, waiter)| waiter));
        Abandoned { waiting, _dials: std::mem::take(&mut self.dials), _unsent: std::mem::take(&mut self.ready) }
    }
}

/// What is left of the queue of a link that has ended.
struct Abandoned<A> {
    waiting: Vec<Arc<Waiter>>,
    _dials: Dials<A>,
    _unsent: Outbox,
}

impl<A> Drop for Abandoned<A> {
    fn drop(&mut self) {
        self.waiting.iter().for_each(|waiter| waiter.changed.notify_waiters());
    }
}

#[cfg(test)]
mod tests {
    use super::super::dials::UNANSWERED_DIALS;
    use super::*;

    const PING_BYTES: usize = 9;

    fn outgoing() -> Outgoing<()> {
        Outgoing::new(1000)
    }

    fn push(out: &mut Outgoing<()>, payload_bytes: usize) {
        let (pushed, _) = out.push_anyway(|outbox| outbox.push_copy(ConnId::new(1), &vec![7; payload_bytes]));
        assert_eq!(pushed, Pushed::Queued);
    }

    /// Writes `count` bytes; gives who is to_notify.
    fn write(out: &mut Outgoing<()>, writing: &mut Outbox, count: usize) -> Vec<Arc<Waiter>> {
        out.take(writing);
        writing.consume(count);
        let mut to_notify = Vec::new();
        out.written(count, writing, &mut to_notify);
        to_notify
    }

    #[test]
    fn a_ping_follows_the_last_one_that_was_written_however_much_waits_behind_it() {
        let (mut out, mut writing) = (outgoing(), Outbox::default());
        push(&mut out, 92);
        for _ in 0..5 {
            let before = out.queued_position();
            out.ping();
            assert_eq!(out.queued_position(), before + PING_BYTES as u64);
            out.ping();
            assert_eq!(out.queued_position(), before + PING_BYTES as u64, "one ping waits already");
            push(&mut out, 92);
            write(&mut out, &mut writing, 100);
            out.ping();
            assert_eq!(out.queued_position(), before + 109, "the ping is not written yet");
            write(&mut out, &mut writing, PING_BYTES);
        }
    }

    #[test]
    fn flushes_that_were_given_up_leave_at_most_one_entry() {
        let (mut out, mut writing) = (outgoing(), Outbox::default());
        let waiter = Arc::new(Waiter::default());
        for _ in 0..1000 {
            push(&mut out, 2);
            assert!(!out.has_written(out.queued_position(), &waiter));
        }
        assert_eq!(out.flushing.len(), 1);
        let to_notify = write(&mut out, &mut writing, 10);
        assert!(to_notify.iter().any(|to_notify| Arc::ptr_eq(to_notify, &waiter)));
        assert!(out.flushing.is_empty());
    }

    #[test]
    fn what_was_not_written_when_the_link_ended_never_counts_as_written() {
        let (mut out, waiter) = (outgoing(), Arc::new(Waiter::default()));
        push(&mut out, 92);
        drop(out.finish());
        assert!(!out.has_written(100, &waiter));
        assert!(out.has_written(0, &waiter));
        assert!(out.flushing.is_empty(), "nobody would be to_notify any more");
    }

    #[test]
    fn each_who_flushes_is_told_when_its_part_is_written() {
        let (mut out, mut writing) = (outgoing(), Outbox::default());
        let waiters: [Arc<Waiter>; 3] = Default::default();
        for waiter in &waiters {
            push(&mut out, 92);
            assert!(!out.has_written(out.queued_position(), waiter));
        }
        assert!(write(&mut out, &mut writing, 99).is_empty());
        for (waiter, position) in waiters.iter().zip([100, 200, 300]) {
            let to_notify = write(&mut out, &mut writing, if position == 100 { 1 } else { 100 });
            assert!(matches!(&to_notify[..], [to_notify] if Arc::ptr_eq(to_notify, waiter)), "{position}");
            assert!(out.has_written(position, waiter));
        }
    }

    #[test]
    fn dials_that_the_gateway_does_not_answer_are_bounded() {
        let mut out = Outgoing::<()>::new(usize::MAX);
        let (dialers, mut to_notify) = (Arc::default(), Vec::new());
        for _ in 0..UNANSWERED_DIALS {
            // Nobody waits for the answer, which is expected all the same.
            assert!(matches!(out.dial(7, &dialers).0, Dialed::Queued(_)));
        }
        assert!(matches!(out.dial(7, &dialers).0, Dialed::HeldUp));
        for _ in 0..UNANSWERED_DIALS / 2 {
            assert!(to_notify.is_empty());
            assert!(out.answered(7, &mut to_notify).is_some());
        }
        assert!(matches!(&to_notify[..], [to_notify] if Arc::ptr_eq(to_notify, &dialers)));
        assert!(matches!(out.dial(7, &dialers).0, Dialed::Queued(_)));
    }
}
