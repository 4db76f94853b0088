//! The account of all bytes that are held for clients' links, and who holds what in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastway_admin::observe::MemoryReport;
use fastway_service::{ByteAccount, ByteHolder};
use rustc_hash::FxHashSet;

use crate::mux::routing::{LinkAddr, WorkerId};

/// Bytes by which a worker's own count may differ from what it has told the others.
const UNTOLD_BYTES: isize = 64 << 10;

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

/// A worker's part in the account: it tells the others of what it counts from time to time, so that a frame costs no
/// atomic operation.
#[derive(Debug, Default)]
pub(super) struct LocalAccount {
    /// Bytes that clients' links of this worker hold beyond what the account says.
    untold_bytes: isize,
    /// Bytes that a client's link may hold when the account is short.
    share: usize,
}

impl LocalAccount {
    /// Counts bytes more, or fewer. True: the account is short no longer, and readers go on.
    pub(super) fn add(&mut self, change: isize, account: &ByteAccount) -> bool {
        self.untold_bytes += change;
        self.untold_bytes.abs() >= UNTOLD_BYTES && self.tell(account)
    }

    /// Brings the account up to date; the same is true.
    pub(super) fn tell(&mut self, account: &ByteAccount) -> bool {
        account.add(std::mem::take(&mut self.untold_bytes))
    }

    /// Gives each of so many clients' links its share.
    pub(super) fn share_out(&mut self, account: &ByteAccount, links: usize) {
        self.share = account.pause_share(links);
    }

    /// Whether a client's link that holds so many bytes has to wait when the account is short.
    #[inline]
    pub(super) fn is_beyond_share(&self, held_bytes: usize) -> bool {
        held_bytes > self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: isize = 1 << 10;

    #[test]
    fn a_worker_tells_of_its_bytes_when_they_are_many_and_when_it_sweeps() {
        let account = ByteAccount::new(1 << 20);
        let mut local = LocalAccount::default();
        for (change, held) in [(40 * KB, 0), (23 * KB, 0), (KB, 64 * KB), (-20 * KB, 64 * KB)] {
            local.add(change, &account);
            assert_eq!(account.held(), held.unsigned_abs(), "{change} more");
        }
        local.tell(&account);
        assert_eq!(account.held(), 44 << 10);
    }

    #[test]
    fn readers_go_on_when_a_worker_tells_that_enough_is_free() {
        let account = ByteAccount::new(1 << 20);
        let mut local = LocalAccount::default();
        assert!(!local.add(1 << 20, &account) && account.is_short());
        assert!(local.add(-(1 << 20), &account) && !account.is_short());
    }

    #[test]
    fn a_link_is_paused_for_memory_when_it_holds_more_than_its_share() {
        let account = ByteAccount::new(1 << 20);
        let mut local = LocalAccount::default();
        local.share_out(&account, 100);
        let share = account.pause_share(100);
        assert!(!local.is_beyond_share(share) && local.is_beyond_share(share + 1));
    }
}
