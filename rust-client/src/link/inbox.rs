//! One connection between the link's task and the handles of the application.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use fastway_wire::ConnId;

use super::Waiter;
use super::receive::Run;
use crate::config::{ReceiveQueue, WhenFull};
use crate::{CloseReason, lock};

/// State of a connection that the link's task and the handles share.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) id: ConnId,
    bounds: ReceiveQueue,
    queue: Mutex<InboxQueue>,
    /// What the reader has given to the application, since the start; only the reader writes it.
    consumed: Amount,
    end: OnceLock<CloseReason>,
    /// Whether the link is not read because of this queue; written under the queue's lock only.
    holds_link: AtomicBool,
    /// Whether somebody can read it: until then it must not hold the link.
    handed_out: AtomicBool,
    /// Those who send on the connection, or wait for its end.
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
    /// The last of `runs` is no part of a block, and can be added to.
    ends_with_copy: bool,
    /// What came from the link, since the start. All counts wrap.
    pushed_messages: usize,
    pushed_bytes: usize,
    reader: Option<Waker>,
    /// Nobody will read any more.
    abandoned: bool,
}

/// What became of a run of messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It waits for the reader.
    Queued,
    /// Nobody reads any more.
    Dropped,
    /// It does, and now the link has to wait for the reader.
    HoldLink,
    /// There was too much already; nothing was added.
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

    /// Why the connection has ended; `None` while it is open.
    #[inline]
    pub(crate) fn end(&self) -> Option<&CloseReason> {
        self.end.get()
    }

    /// Adds consecutive whole frames of this connection and wakes the reader.
    pub(super) fn deliver(&self, run: Run) -> Delivered {
        let hold = self.can_hold();
        let mut queue = lock(&self.queue);
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

    /// Ends the connection; `false` when it had ended before.
    ///
    /// The second value says whether the link may be read again.
    pub(super) fn finish(&self, reason: CloseReason) -> (bool, bool) {
        let first = self.end.set(reason).is_ok();
        let mut queue = lock(&self.queue);
        let released = self.holds_link.swap(false, Ordering::Relaxed);
        let reader = queue.reader.take();
        drop(queue);
        reader.into_iter().for_each(Waker::wake);
        self.waiter.changed.notify_waiters();
        (first, released)
    }

    /// Says how much was given to the application, since the start.
    #[inline]
    pub(crate) fn consumed(&self, messages: usize, bytes: usize) {
        self.consumed.messages.store(messages, Ordering::Relaxed);
        self.consumed.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Moves all that waits to the reader's own `batch`, which is empty. Ready without anything there: the end.
    ///
    /// The second value says whether the link may be read again.
    pub(crate) fn poll_take(&self, batch: &mut VecDeque<BytesMut>, cx: Option<&mut Context<'_>>) -> (Poll<()>, bool) {
        let mut queue = lock(&self.queue);
        let released = self.released_by(&queue);
        if !queue.runs.is_empty() {
            std::mem::swap(&mut queue.runs, batch);
        } else if self.end.get().is_none() {
            if let Some(cx) = cx {
                queue.reader = Some(cx.waker().clone());
            }
            return (Poll::Pending, released);
        }
        (Poll::Ready(()), released)
    }

    /// Whether so much was taken that the link may be read again, after it was held.
    pub(crate) fn releases_link(&self) -> bool {
        self.released_by(&lock(&self.queue))
    }

    fn released_by(&self, queue: &InboxQueue) -> bool {
        let (messages, bytes) = self.waiting(queue);
        let low = messages <= self.bounds.max_messages / 2 && bytes <= self.bounds.max_bytes / 2;
        low && self.holds_link.swap(false, Ordering::Relaxed)
    }

    /// Whether [`Inbox::releases_link`] is worth a look: the link is held, as far as this thread knows.
    #[inline]
    pub(crate) fn seems_held(&self) -> bool {
        self.holds_link.load(Ordering::Relaxed)
    }

    /// Whether this connection can hold the link at all.
    #[inline]
    pub(crate) fn can_hold(&self) -> bool {
        self.bounds.when_full == WhenFull::Hold && self.handed_out.load(Ordering::Relaxed)
    }

    /// The application has it, and can read what waits.
    pub(crate) fn hand_out(&self) {
        self.handed_out.store(true, Ordering::Relaxed);
    }

    /// Nobody will read any more; says whether the link may be read again.
    pub(crate) fn abandon(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.abandoned = true;
        let left = std::mem::take(&mut queue.runs);
        let released = self.holds_link.swap(false, Ordering::Relaxed);
        drop(queue);
        drop(left);
        released
    }
}

impl InboxQueue {
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

    fn inbox(when_full: WhenFull) -> Inbox {
        let bounds = ReceiveQueue { max_messages: 4, max_bytes: 1000, when_full };
        let inbox = Inbox::new(ConnId::new(1), bounds);
        inbox.hand_out();
        inbox
    }

    fn run(messages: usize) -> Run {
        Run { conn: ConnId::new(1), frames: BytesMut::from(&[0; 8][..]), messages, copy: false }
    }

    #[test]
    fn runs_that_are_to_be_copied_are_one_and_keep_no_block() {
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
    }

    #[test]
    fn one_burst_never_overflows_but_the_next_one_does() {
        let inbox = inbox(WhenFull::CloseConnection);
        assert_eq!(inbox.deliver(run(10)), Delivered::Queued);
        assert_eq!(inbox.deliver(run(10)), Delivered::Overflow { messages: 10, bytes: 8 });
    }

    #[test]
    fn a_hold_starts_once_and_ends_at_half_the_bound() {
        let inbox = inbox(WhenFull::Hold);
        assert_eq!(inbox.deliver(run(3)), Delivered::Queued);
        assert_eq!(inbox.deliver(run(1)), Delivered::HoldLink);
        assert_eq!(inbox.deliver(run(1)), Delivered::Queued);
        let mut batch = VecDeque::new();
        assert_eq!(inbox.poll_take(&mut batch, None), (Poll::Ready(()), false));
        inbox.consumed(2, 8);
        assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, false));
        inbox.consumed(3, 8);
        assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, true));
        assert_eq!(inbox.poll_take(&mut VecDeque::new(), None), (Poll::Pending, false));
    }

    #[test]
    fn an_end_or_an_abandoned_reader_releases_the_link() {
        let ended = inbox(WhenFull::Hold);
        ended.deliver(run(9));
        assert_eq!(ended.finish(CloseReason::Remote), (true, true));
        assert_eq!(ended.finish(CloseReason::Local), (false, false));
        let abandoned = inbox(WhenFull::Hold);
        abandoned.deliver(run(9));
        assert!(abandoned.abandon());
        assert_eq!(abandoned.deliver(run(9)), Delivered::Dropped);
    }
}
