//! Where the free chunks of one size class wait: the three strategies of `MemPoolType`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use crossbeam_channel::{Receiver, Sender};
use crossbeam_queue::SegQueue;

use super::config::PoolStrategy;

/// The free chunks that any worker may take. They all come from one page, which bounds their number.
#[derive(Debug)]
pub(super) enum Store {
    Sync(Mutex<Vec<BytesMut>>),
    Atom(Box<SegQueue<BytesMut>>),
    Chan { give: Sender<BytesMut>, take: Receiver<BytesMut> },
}

impl Store {
    pub(super) fn new(strategy: PoolStrategy) -> Self {
        match strategy {
            PoolStrategy::Sync => Self::Sync(Mutex::default()),
            PoolStrategy::Atom => Self::Atom(Box::default()),
            PoolStrategy::Chan => {
                let (give, take) = crossbeam_channel::unbounded();
                Self::Chan { give, take }
            }
        }
    }

    pub(super) fn pop(&self) -> Option<BytesMut> {
        match self {
            Self::Sync(free) => lock(free).pop(),
            Self::Atom(free) => free.pop(),
            Self::Chan { take, .. } => take.try_recv().ok(),
        }
    }

    pub(super) fn push(&self, chunk: BytesMut) {
        match self {
            Self::Sync(free) => lock(free).push(chunk),
            Self::Atom(free) => free.push(chunk),
            // The store holds the other end itself.
            Self::Chan { give, .. } => drop(give.send(chunk)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Sync(free) => lock(free).len(),
            Self::Atom(free) => free.len(),
            Self::Chan { take, .. } => take.len(),
        }
    }
}

/// A panic of another thread cannot leave a list of free chunks half changed.
fn lock(free: &Mutex<Vec<BytesMut>>) -> MutexGuard<'_, Vec<BytesMut>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
