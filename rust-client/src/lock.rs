//! Taking a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// No code that holds one of our locks can panic half-way through a change, so a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
