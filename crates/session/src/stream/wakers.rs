//! The wakers of both halves of a stream. Polling one half drives both, so both are woken.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Which half of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    Reading,
    Writing,
}

/// The tasks that poll the halves.
#[derive(Debug, Default)]
pub(super) struct Wakers(Mutex<[Option<Waker>; 2]>);

impl Wakers {
    /// Keeps the waker of the task that polls this half.
    pub(super) fn set(&self, half: Half, waker: &Waker) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        let [reading, writing] = &mut *wakers;
        let slot = match half {
            Half::Reading => reading,
            Half::Writing => writing,
        };
        match slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
