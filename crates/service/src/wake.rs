//! Waking tasks without keeping others from being looked at.

use std::pin::pin;
use std::task::{Context, Waker};

use tokio::task::yield_now;

/// Has a task polled again after the runtime has looked for new events. A task that is woken at once is polled before
/// that: tasks that wake each other in this way keep all sockets that became readable meanwhile waiting.
#[inline]
pub fn wake_after_look(waker: &Waker) {
    let _first_poll_only_arms_it = pin!(yield_now()).poll(&mut Context::from_waker(waker));
}
