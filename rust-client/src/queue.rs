//! Connections that wait to be accepted.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

use crate::lock::lock;

/// A bounded queue for any number of consumers. Taking is cancel-safe.
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

    /// Adds an item; returns it if the queue is full or closed.
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
            // Registered before the check: two items may come in between, and each must wake a consumer.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(outcome) = self.try_pop() {
                return outcome;
            }
            changed.await;
        }
    }

    /// `None`: empty so far. `Some(None)`: closed and empty.
    fn try_pop(&self) -> Option<Option<T>> {
        let mut state = lock(&self.state);
        match state.items.pop_front() {
            Some(item) => Some(Some(item)),
            None => state.closed.then_some(None),
        }
    }

    /// Closes the queue to new items. Those in it can still be taken.
    pub(crate) fn finish(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_waiters();
    }

    /// Closes the queue, and returns the items that nobody took.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = lock(&self.state);
        state.closed = true;
        let left = std::mem::take(&mut state.items);
        drop(state);
        self.changed.notify_waiters();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Barrier;
    use tokio::time::timeout;

    /// Whoever takes waits for the other one to have taken before the next round: one of them that sleeps on although
    /// there is an item would stop both.
    async fn take_in_turns(queue: Arc<Queue<u32>>, both_have: Arc<Barrier>, rounds: u32) {
        for _ in 0..rounds {
            queue.pop().await.unwrap();
            both_have.wait().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn two_who_take_at_the_same_time_get_one_of_two_items_each() {
        const ROUNDS: u32 = 2_000;
        let (queue, both_have) = (Arc::new(Queue::new(2)), Arc::new(Barrier::new(3)));
        let takers = [(); 2].map(|()| tokio::spawn(take_in_turns(Arc::clone(&queue), Arc::clone(&both_have), ROUNDS)));
        for round in 0..ROUNDS {
            queue.push(round).unwrap();
            queue.push(round).unwrap();
            timeout(Duration::from_secs(60), both_have.wait())
                .await
                .unwrap_or_else(|_| panic!("stuck in round {round}"));
        }
        for taker in takers {
            taker.await.unwrap();
        }
    }
}
