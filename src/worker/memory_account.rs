//! The account of all bytes that are held for clients' links, and who holds what in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastway_service::{ByteAccount, ByteHolder};
use rustc_hash::FxHashSet;

use crate::routing::{LinkAddr, WorkerId};

/// How the memory that is held for all clients' links stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Bytes held, to within 64 KiB for each worker.
    pub held_bytes: usize,
    /// The most that may be; `None`: no limit.
    pub most_bytes: Option<usize>,
    /// Whether it is so much that game servers, and clients that hold much, are not read.
    pub readers_paused: bool,
}

/// The account of the process, and who holds what in it.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) account: ByteAccount,
    /// For each worker the links that hold something, as its last sweep found them.
    holders: Mutex<Box<[Vec<ByteHolder<LinkAddr>>]>>,
}

impl Memory {
    pub(super) fn new(bound: usize, workers: usize) -> Self {
        Self { account: ByteAccount::new(bound), holders: Mutex::new(vec![Vec::new(); workers].into()) }
    }

    /// How the account stands.
    pub(crate) fn report(&self) -> MemoryReport {
        let most_bytes = Some(self.account.bound()).filter(|bound| *bound < usize::MAX);
        MemoryReport { held_bytes: self.account.held(), most_bytes, readers_paused: self.account.is_short() }
    }

    /// A panic of another thread cannot leave a list half written.
    fn holders(&self) -> MutexGuard<'_, Box<[Vec<ByteHolder<LinkAddr>>]>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the list of a worker and says which links of it have to be closed now. The bytes of those are off the
    /// account at once, so that another worker that looks meanwhile closes no more than needed; true: readers go on.
    pub(super) fn first_to_close(
        &self,
        worker: WorkerId,
        mine: Vec<ByteHolder<LinkAddr>>,
        links: usize,
    ) -> (Vec<ByteHolder<LinkAddr>>, bool) {
        let mut lists = self.holders();
        let Some(list) = lists.get_mut(worker.index()) else { return Default::default() };
        *list = mine;
        let all = lists.concat();
        let closed: FxHashSet<LinkAddr> = self.account.first_to_close(&all, links).into_iter().collect();
        let Some(list) = lists.get_mut(worker.index()) else { return Default::default() };
        let closed: Vec<_> = list.extract_if(.., |holder| closed.contains(&holder.key)).collect();
        let freed: usize = closed.iter().map(|holder| holder.bytes).sum();
        let goes_on = self.account.add(-freed.cast_signed());
        (closed, goes_on)
    }
}
