//! Futures that are dropped where they wait.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Runs a future until it has to wait after it has waited `waits` times, and drops it there; gives its value when it
/// is done before.
///
/// With 0, 1, 2 and so on, until there is a value, a future is dropped at every point where it waits.
pub async fn up_to<T>(waits: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}
