//! What waits to be accepted.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

use crate::lock;

/// A bounded queue from a task to whoever takes next. Taking is cancel-safe.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { items: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Notify::new(), capacity }
    }

    /// Gives the item back when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.closed || state.items.len() >= self.capacity {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next item; `None` once the queue is closed, or finished and empty.
    pub(crate) async fn pop(&self) -> Option<T> {
        consume_budget().await;
        loop {
            // Made before the look at the queue, so that no change is missed in between.
            let changed = self.changed.notified();
            if let Some(outcome) = self.try_pop() {
                return outcome;
            }
            changed.await;
        }
    }

    /// `None`: nothing there yet. `Some(None)`: nothing any more.
    fn try_pop(&self) -> Option<Option<T>> {
        let mut state = lock(&self.state);
        match state.items.pop_front() {
            Some(item) => Some(Some(item)),
            None => state.closed.then_some(None),
        }
    }

    /// Takes no more items; those that are there can still be taken.
    pub(crate) fn finish(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_waiters();
    }

    /// Ends the queue, and gives what nobody took.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = lock(&self.state);
        state.closed = true;
        let left = std::mem::take(&mut state.items);
        drop(state);
        self.changed.notify_waiters();
        left
    }
}
