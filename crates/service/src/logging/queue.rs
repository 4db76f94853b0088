//! The lines that wait to be written.
//!
//! ```text
//!   whoever logs ──push──> waiting, at most 1 MiB ──take──> the thread of the log ──> stderr
//!                  └─ full: dropped, counted
//! ```
//!
//! A lock is held only while a line is copied, or while the thread takes all that waits; never during a write.

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait: thousands of lines, which is hours of a gateway in good order. The thread holds as many again
/// while it writes them.
const BOUND_BYTES: usize = 1 << 20;

/// A write that lasts longer is stuck: whoever reads the log has stalled.
const STUCK: Duration = Duration::from_secs(1);

/// For how long the end of the program waits for the rest of the log.
const GRACE: Duration = Duration::from_secs(1);

thread_local! {
    static PATIENT: Cell<bool> = const { Cell::new(false) };
    /// Where the lines of this thread go instead of the queue, while there is something.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Lines on their way to the thread that writes them.
#[derive(Debug, Default)]
pub(super) struct LineQueue {
    state: Mutex<State>,
    /// There is something for the thread.
    arrived: Condvar,
    /// The thread has taken or written something.
    progressed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines dropped since the thread took what waits. Until it does so again all others are dropped, too: what is
    /// missing is missing in one place.
    gap: u64,
    /// Lines dropped so far.
    dropped: u64,
    /// When the write under way began.
    writing_since: Option<Instant>,
    /// Nothing more is waited for.
    closed: bool,
    /// The thread is gone.
    ended: bool,
}

impl LineQueue {
    /// Takes a line in, or drops and counts it when there is no room. A thread with [`Patience`] waits for room first.
    pub(super) fn push(&self, line: &[u8]) {
        let captured =
            CAPTURED.with_borrow_mut(|captured| captured.as_mut().map(|lines| lines.extend_from_slice(line)));
        if captured.is_some() {
            return;
        }
        let mut state = self.lock();
        if PATIENT.get() {
            state = self.wait_for_room(state, line.len());
        }
        if state.has_room(line.len()) {
            state.waiting.extend_from_slice(line);
        } else {
            state.gap += 1;
            state.dropped += 1;
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Has the thread end when it has written what waits, and waits for that as long as the reader takes something.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.arrived.notify_one();
        let until = Instant::now() + GRACE;
        while !state.ended {
            let left = state.patience(Instant::now()).min(until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            state = self.progressed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Swaps all that waits for an empty `batch`, and says how many lines were dropped behind it; `None`: there is nothing,
    /// and there will be nothing.
    pub(super) fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        while state.waiting.is_empty() && state.gap == 0 {
            if state.closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.waiting, batch);
        let dropped = std::mem::take(&mut state.gap);
        self.progressed.notify_all();
        Some(dropped)
    }

    /// A write begins.
    pub(super) fn writing(&self) {
        self.lock().writing_since = Some(Instant::now());
    }

    /// The write is over.
    pub(super) fn written(&self) {
        self.lock().writing_since = None;
        self.progressed.notify_all();
    }

    /// Counts lines that could not be written.
    pub(super) fn count_lost(&self, lines: u64) {
        self.lock().dropped += lines;
    }

    /// The thread is gone.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.closed = true;
        self.progressed.notify_all();
    }

    fn wait_for_room<'a>(&self, mut state: MutexGuard<'a, State>, bytes: usize) -> MutexGuard<'a, State> {
        let until = Instant::now() + STUCK;
        while !state.has_room(bytes) && !state.ended && bytes <= BOUND_BYTES {
            let left = state.patience(Instant::now()).min(until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.progressed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// A panic of another thread cannot leave a line half copied.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        self.gap == 0 && !self.ended && self.waiting.len().saturating_add(bytes) <= BOUND_BYTES
    }

    /// For how long the write under way may go on before it counts as stuck.
    fn patience(&self, now: Instant) -> Duration {
        let lasting = self.writing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        STUCK.saturating_sub(lasting)
    }
}

/// While it lives, this thread waits for room in the log instead of dropping lines: for up to a second a line, and not at
/// all once the reader has stalled. For threads that nobody waits for, such as the one that runs an operator's commands.
#[derive(Debug)]
pub struct Patience(PhantomData<*const ()>);

impl Patience {
    /// This thread waits from now on.
    #[must_use = "the thread waits until this is dropped"]
    pub fn begin() -> Self {
        PATIENT.set(true);
        Self(PhantomData)
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        PATIENT.set(false);
    }
}

/// What `log` logs on this thread, which is kept out of the queue.
pub(super) fn capture(log: impl FnOnce()) -> Vec<u8> {
    CAPTURED.set(Some(Vec::new()));
    log();
    CAPTURED.take().unwrap_or_default()
}

impl io::Write for &LineQueue {
    /// The subscriber hands over a whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &LineQueue) -> (usize, Option<u64>) {
        let mut batch = Vec::new();
        let dropped = queue.take(&mut batch);
        (batch.len(), dropped)
    }

    #[test]
    fn what_does_not_fit_is_dropped_until_the_thread_takes_what_waits() {
        let queue = LineQueue::default();
        queue.push(&vec![b'x'; BOUND_BYTES - 10]);
        queue.push(b"a longer line\n");
        queue.push(b"short\n");
        assert_eq!(taken(&queue), (BOUND_BYTES - 10, Some(2)), "the gap is one");
        queue.push(b"short\n");
        assert_eq!(taken(&queue), (6, Some(0)));
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn a_line_beyond_the_bound_is_dropped_at_once_even_with_patience() {
        let queue = LineQueue::default();
        let _patience = Patience::begin();
        queue.push(&vec![b'x'; BOUND_BYTES + 1]);
        assert_eq!(taken(&queue), (0, Some(1)));
    }

    #[test]
    fn nobody_waits_for_a_reader_that_has_stalled() {
        let queue = LineQueue::default();
        let stalled = Instant::now().checked_sub(STUCK).unwrap();
        queue.lock().writing_since = Some(stalled);
        assert_eq!(queue.lock().patience(stalled), STUCK);
        assert_eq!(queue.lock().patience(Instant::now()), Duration::ZERO);
    }

    #[test]
    fn a_thread_with_patience_gets_its_line_in_when_there_is_room() {
        let queue = LineQueue::default();
        queue.push(&vec![b'x'; BOUND_BYTES]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _patience = Patience::begin();
                queue.push(b"patient\n");
            });
            // Whether the line comes before or after this, there is room for it.
            assert_eq!(taken(&queue), (BOUND_BYTES, Some(0)));
        });
        assert_eq!(taken(&queue), (8, Some(0)));
    }
}
