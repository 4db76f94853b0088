//! The receive queue of one connection, between the link's task and the reader.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

// The tests run all interleavings of the task and the reader with loom's locks and atomics.
#[cfg(test)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize},
};
#[cfg(not(test))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize},
};

use bytes::BytesMut;
use fastway_wire::ConnId;

use super::receive::Run;
use super::unread::Freed;
use super::waiter::Waiter;
use crate::CloseReason;
use crate::config::{ReceiveQueue, WhenFull};

/// The part of a connection that the link's task and the handles share.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) id: ConnId,
    bounds: ReceiveQueue,
    queue: Mutex<InboxQueue>,
    /// What the reader has passed to the application since the start. Only the reader writes it.
    consumed: Amount,
    end: OnceLock<CloseReason>,
    /// Whether this queue prevents reading of the link; written under the queue's lock only.
    holds_link: AtomicBool,
    /// Whether a reader exists. Before that, the queue must not hold the link.
    handed_out: AtomicBool,
    /// Notifies senders on the connection, and tasks that wait for its end.
    pub(crate) waiter: Arc<Waiter>,
}

#[derive(Debug, Default)]
struct Amount {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct InboxQueue {
    runs: VecDeque<BytesMut>,
    /// The last run is a copy, not a slice of a block, and can be extended.
    ends_with_copy: bool,
    /// Received since the start. All counts wrap.
    pushed_messages: usize,
    pushed_bytes: usize,
    /// How many of these the reader has taken.
    taken_bytes: usize,
    /// How many of these are reported to the link as consumed.
    freed_bytes: usize,
    reader: Option<Waker>,
    /// The reader was dropped.
    abandoned: bool,
}

/// The outcome of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// The run is queued.
    Queued,
    /// The run is queued, and the link must not be read until the reader has caught up.
    HoldLink,
    /// There is no reader any more.
    Dropped,
    /// The queue was full before; nothing was added.
    Overflow { messages: usize, bytes: usize },
}

impl Inbox {
    pub(super) fn new(id: ConnId, bounds: ReceiveQueue) -> Self {
        Self {
            id,
            bounds,
            queue: Mutex::default(),
            consumed: Amount::default(),
            end: OnceLock::new(),
            holds_link: AtomicBool::new(false),
            handed_out: AtomicBool::new(false),
            waiter: Arc::default(),
        }
    }

    #[inline]
    fn queue(&self) -> MutexGuard<'_, InboxQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the connection has ended; `None` while it is open.
    #[inline]
    pub(crate) fn end(&self) -> Option<&CloseReason> {
        self.end.get()
    }

    /// Adds consecutive whole frames of this connection and wakes the reader.
    pub(super) fn deliver(&self, run: Run) -> Delivered {
        let hold = self.can_hold();

        let mut queue = self.queue();
        if queue.abandoned || self.end.get().is_some() {
            return Delivered::Dropped;
        }

        let (waiting_messages, waiting_bytes) = self.waiting(&queue);
        let full = self.is_full(waiting_messages, waiting_bytes);
        if full && !hold {
            return Delivered::Overflow { messages: waiting_messages, bytes: waiting_bytes };
        }

        let now_full = self.is_full(waiting_messages + run.messages, waiting_bytes + run.frames.len());
        let starts_hold = hold && now_full && !self.holds_link.swap(now_full, Ordering::Relaxed);

        queue.push(run);
        let reader = queue.reader.take();
        drop(queue);
        reader.into_iter().for_each(Waker::wake);
        if starts_hold { Delivered::HoldLink } else { Delivered::Queued }
    }

    fn waiting(&self, queue: &InboxQueue) -> (usize, usize) {
        let messages = queue.pushed_messages.wrapping_sub(self.consumed.messages.load(Ordering::Relaxed));
        let bytes = queue.pushed_bytes.wrapping_sub(self.consumed.bytes.load(Ordering::Relaxed));
        (messages, bytes)
    }

    fn is_full(&self, messages: usize, bytes: usize) -> bool {
        messages >= self.bounds.max_messages || bytes >= self.bounds.max_bytes
    }

    /// Ends the connection. Returns whether this is its first end, and whether it held the link until now.
    pub(super) fn finish(&self, reason: CloseReason) -> (bool, bool) {
        let first = self.end.set(reason).is_ok();

        let mut queue = self.queue();
        let released = self.holds_link.swap(false, Ordering::Relaxed);
        let reader = queue.reader.take();
        drop(queue);
        reader.into_iter().for_each(Waker::wake);
        self.waiter.changed.notify_waiters();
        (first, released)
    }

    /// Sets what was passed to the application since the start.
    #[inline]
    pub(crate) fn consumed(&self, messages: usize, bytes: usize) {
        self.consumed.messages.store(messages, Ordering::Relaxed);
        self.consumed.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Moves all runs to the reader's `batch`, which must be empty. Ready with an empty batch means the end.
    pub(crate) fn poll_take(&self, batch: &mut VecDeque<BytesMut>, cx: Option<&mut Context<'_>>) -> (Poll<()>, Freed) {
        let mut queue = self.queue();
        let freed = self.freed_by(&mut queue);

        if !queue.runs.is_empty() {
            std::mem::swap(&mut queue.runs, batch);
            queue.taken_bytes = queue.pushed_bytes;
        } else if self.end.get().is_none() {
            let former = cx.and_then(|cx| queue.reader.replace(cx.waker().clone()));
            drop(queue);
            // The former waker may own the last handle of its task, perhaps of this connection: it is dropped without
            // the lock.
            drop(former);
            return (Poll::Pending, freed);
        }
        (Poll::Ready(()), freed)
    }

    /// What the reader has consumed since the last call.
    pub(crate) fn freed(&self) -> Freed {
        self.freed_by(&mut self.queue())
    }

    fn freed_by(&self, queue: &mut InboxQueue) -> Freed {
        let (messages, waiting) = self.waiting(queue);
        let low = messages <= self.bounds.max_messages / 2 && waiting <= self.bounds.max_bytes / 2;

        let hold = low && self.holds_link.swap(false, Ordering::Relaxed);
        let known = std::mem::replace(&mut queue.freed_bytes, queue.pushed_bytes.wrapping_sub(waiting));
        Freed { bytes: queue.freed_bytes.wrapping_sub(known), hold }
    }

    /// Messages and bytes not consumed yet, including those that the reader has taken.
    pub(super) fn unread(&self) -> (usize, usize) {
        self.waiting(&self.queue())
    }

    /// Whether anything delivered is not consumed yet.
    pub(super) fn has_unread(&self) -> bool {
        self.unread().1 > 0
    }

    /// Bytes that the reader has not taken yet.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queue().queued_bytes()
    }

    /// Drops what the reader of an ended connection has not taken.
    pub(super) fn throw_away(&self) -> Freed {
        let mut queue = self.queue();
        let Freed { bytes, hold } = self.freed_by(&mut queue);
        let thrown_away = queue.queued_bytes();
        queue.pushed_bytes = queue.taken_bytes;
        let left = std::mem::take(&mut queue.runs);

        drop(queue);
        drop(left);
        Freed { bytes: bytes + thrown_away, hold }
    }

    /// Whether to call [`Inbox::freed`]: the link is held, as far as this thread knows, and enough was consumed since
    /// the last call to make a difference. Taking the lock for each message would cost as much as the message.
    #[inline]
    pub(crate) fn may_release(&self, messages: usize, bytes: usize) -> bool {
        let held = self.holds_link.load(Ordering::Relaxed);
        held && (messages >= self.bounds.max_messages / 8 || bytes >= self.bounds.max_bytes / 8)
    }

    /// Whether this connection can hold the link at all.
    #[inline]
    pub(crate) fn can_hold(&self) -> bool {
        self.bounds.when_full == WhenFull::Hold && self.handed_out.load(Ordering::Relaxed)
    }

    /// The application has got the connection, and can read it.
    pub(crate) fn hand_out(&self) {
        self.handed_out.store(true, Ordering::Relaxed);
    }

    /// The reader was dropped: frees everything.
    pub(crate) fn abandon(&self) -> Freed {
        let mut queue = self.queue();
        queue.abandoned = true;
        let left = std::mem::take(&mut queue.runs);
        queue.taken_bytes = queue.pushed_bytes;
        self.consumed(queue.pushed_messages, queue.pushed_bytes);
        let freed = self.freed_by(&mut queue);
        drop(queue);
        drop(left);
        freed
    }
}

impl InboxQueue {
    fn queued_bytes(&self) -> usize {
        self.pushed_bytes.wrapping_sub(self.taken_bytes)
    }

    fn push(&mut self, run: Run) {
        self.pushed_messages = self.pushed_messages.wrapping_add(run.messages);
        self.pushed_bytes = self.pushed_bytes.wrapping_add(run.frames.len());
        let behind_a_copy = std::mem::replace(&mut self.ends_with_copy, run.copy);
        match self.runs.back_mut() {
            Some(copy) if run.copy && behind_a_copy => copy.extend_from_slice(&run.frames),
            _ if run.copy => self.runs.push_back(BytesMut::from(&*run.frames)),
            _ => self.runs.push_back(run.frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::{model, thread};
    use std::sync::atomic::AtomicIsize;

    fn inbox(when_full: WhenFull) -> Inbox {
        let bounds = ReceiveQueue { max_messages: 4, max_bytes: 1000, when_full };
        let inbox = Inbox::new(ConnId::new(1), bounds);
        inbox.hand_out();
        inbox
    }

    fn freed(bytes: usize, hold: bool) -> Freed {
        Freed { bytes, hold }
    }

    fn run(messages: usize) -> Run {
        Run { conn: ConnId::new(1), frames: BytesMut::from(&[0; 8][..]), messages, copy: false }
    }

    #[test]
    fn runs_that_are_to_be_copied_are_one_and_keep_no_block() {
        model(|| {
            let inbox = inbox(WhenFull::Hold);
            let mut block = BytesMut::with_capacity(100);
            for (byte, copy) in [(1, true), (2, true), (3, false), (4, true), (5, true)] {
                block.extend_from_slice(&[byte; 8]);
                let frames = if copy { block.split() } else { BytesMut::from(&block.split()[..]) };
                assert_ne!(inbox.deliver(Run { frames, copy, ..run(0) }), Delivered::Dropped);
            }
            assert!(block.try_reclaim(100), "the block is still used");
            let mut batch = VecDeque::new();
            assert_eq!(inbox.poll_take(&mut batch, None).0, Poll::Ready(()));
            let expected = [[[1; 8], [2; 8]].concat(), vec![3; 8], [[4; 8], [5; 8]].concat()];
            assert_eq!(batch, expected.map(|bytes| BytesMut::from(&bytes[..])));
        });
    }

    #[test]
    fn one_burst_never_overflows_but_the_next_one_does() {
        model(|| {
            let inbox = inbox(WhenFull::CloseConnection);
            assert_eq!(inbox.deliver(run(10)), Delivered::Queued);
            assert_eq!(inbox.deliver(run(10)), Delivered::Overflow { messages: 10, bytes: 8 });
        });
    }

    #[test]
    fn a_hold_starts_once_and_ends_at_half_the_bound() {
        model(|| {
            let inbox = inbox(WhenFull::Hold);
            assert_eq!(inbox.deliver(run(3)), Delivered::Queued);
            assert_eq!(inbox.deliver(run(1)), Delivered::HoldLink);
            assert_eq!(inbox.deliver(run(1)), Delivered::Queued);
            let mut batch = VecDeque::new();
            assert_eq!(inbox.poll_take(&mut batch, None), (Poll::Ready(()), freed(0, false)));
            inbox.consumed(2, 8);
            assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, freed(8, false)));
            inbox.consumed(3, 9);
            assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, freed(1, true)));
            assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, freed(0, false)));
        });
    }

    #[test]
    fn an_end_or_an_abandoned_reader_releases_the_link() {
        model(|| {
            let ended = inbox(WhenFull::Hold);
            ended.deliver(run(9));
            assert_eq!(ended.finish(CloseReason::Remote), (true, true));
            assert_eq!(ended.finish(CloseReason::Local), (false, false));
            let abandoned = inbox(WhenFull::Hold);
            abandoned.deliver(run(9));
            assert_eq!(abandoned.abandon(), freed(8, true));
            assert_eq!(abandoned.abandon(), freed(0, false));
            assert_eq!(abandoned.deliver(run(9)), Delivered::Dropped);
        });
    }

    /// What a link counts of its connections: it must come to nothing in the end.
    #[derive(Default)]
    struct Counted {
        holds: AtomicIsize,
        bytes: AtomicIsize,
    }

    impl Counted {
        fn deliver(&self, inbox: &Inbox, run: Run) {
            let bytes = run.frames.len();
            self.bytes.fetch_add(bytes.cast_signed(), Ordering::Relaxed);
            match inbox.deliver(run) {
                Delivered::Queued => {}
                Delivered::HoldLink => _ = self.holds.fetch_add(1, Ordering::Relaxed),
                Delivered::Dropped | Delivered::Overflow { .. } => self.release(Freed { bytes, hold: false }),
            }
        }

        fn release(&self, freed: Freed) {
            self.holds.fetch_sub(freed.hold.into(), Ordering::Relaxed);
            self.bytes.fetch_sub(freed.bytes.cast_signed(), Ordering::Relaxed);
        }

        /// A reader's step.
        fn consume(&self, inbox: &Inbox, messages: usize, bytes: usize) {
            inbox.consumed(messages, bytes);
            if inbox.may_release(messages, bytes) {
                self.release(inbox.freed());
            }
        }

        fn get(&self) -> (isize, isize) {
            (self.holds.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
        }
    }

    /// The reader pauses with a message left of those it took, so it does not report by itself.
    #[test]
    fn one_look_after_a_hold_began_finds_what_the_reader_had_read_in_that_moment() {
        model(|| {
            let (inbox, counted) = (Arc::new(inbox(WhenFull::Hold)), Arc::new(Counted::default()));
            counted.deliver(&inbox, run(3));
            assert!(inbox.poll_take(&mut VecDeque::new(), None).0.is_ready());
            let link = thread::spawn({
                let (inbox, counted) = (Arc::clone(&inbox), Arc::clone(&counted));
                move || counted.deliver(&inbox, run(1))
            });
            counted.consume(&inbox, 1, 2);
            counted.consume(&inbox, 2, 4);
            link.join().unwrap();
            counted.release(inbox.freed());
            assert_eq!(counted.get(), (0, 12));
        });
    }

    /// While the link delivers and the reader takes, the connection ends in this way.
    fn holds_and_bytes_are_given_back_after(end: fn(&Inbox) -> Freed) {
        model(move || {
            let (inbox, counted) = (Arc::new(inbox(WhenFull::Hold)), Arc::new(Counted::default()));
            let link = thread::spawn({
                let (inbox, counted) = (Arc::clone(&inbox), Arc::clone(&counted));
                move || (0..2).for_each(|_| counted.deliver(&inbox, run(4)))
            });
            let ending = thread::spawn({
                let (inbox, counted) = (Arc::clone(&inbox), Arc::clone(&counted));
                move || counted.release(end(&inbox))
            });
            counted.release(inbox.poll_take(&mut VecDeque::new(), None).1);
            link.join().unwrap();
            ending.join().unwrap();
            assert_eq!(counted.get().0, 0);
            counted.release(inbox.abandon());
            assert_eq!(counted.get(), (0, 0));
        });
    }

    #[test]
    fn every_hold_and_every_byte_is_given_back_once_when_the_connection_is_closed() {
        holds_and_bytes_are_given_back_after(|inbox| freed(0, inbox.finish(CloseReason::Local).1));
    }

    #[test]
    fn every_hold_and_every_byte_is_given_back_once_when_the_reader_goes() {
        holds_and_bytes_are_given_back_after(Inbox::abandon);
    }
}
