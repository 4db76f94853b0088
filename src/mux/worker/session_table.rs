//! The table of sessions: found by name, and bounded while they wait for a transport.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use fastway_service::{AddressPrefix, FairTable, Share};
use fastway_session::{Names, SessionName, Status};

use crate::mux::config::WaitingLimits;

/// Names of ended sessions that are remembered, to tell `Expired` from `Unknown`.
const REMEMBERED: usize = 1024;

/// What a waiting session counts for beside the bytes that it keeps: about its own size with its tables.
const SESSION_BYTES: usize = 2048;

/// The sessions of a gateway, known to their workers as `K`.
///
/// When a bound on waiting sessions is exceeded, the oldest waiting session of the address prefix with the most on it
/// has to go: somebody who leaves sessions behind pushes out his own before anybody else's.
#[derive(Debug)]
pub(super) struct SessionTable<K> {
    limits: WaitingLimits,
    by_name: HashMap<SessionName, K>,
    sessions: HashMap<K, Entry>,
    /// Ordered by the time at which they began to wait.
    waiting: FairTable<K, u64>,
    /// Sessions that are over, and still found.
    over: usize,
    clock: u64,
    ended: Ended,
}

#[derive(Debug)]
struct Entry {
    names: Names,
    prefix: AddressPrefix,
    /// When it began to wait, by the clock of the table.
    waiting_since: Option<u64>,
    over: bool,
}

impl<K: Copy + Ord + Hash> SessionTable<K> {
    /// An empty one.
    pub(super) fn new(limits: WaitingLimits) -> Self {
        Self {
            limits,
            by_name: HashMap::new(),
            sessions: HashMap::new(),
            waiting: FairTable::new(SESSION_BYTES),
            over: 0,
            clock: 0,
            ended: Ended::default(),
        }
    }

    /// Changes the bounds. Sessions end for that only when one begins to wait.
    pub(super) const fn set_limits(&mut self, limits: WaitingLimits) {
        self.limits = limits;
    }

    /// A session has begun, and has a transport.
    pub(super) fn insert(&mut self, key: K, prefix: AddressPrefix, names: Names) {
        self.remove(key);
        self.by_name.extend(names.iter().map(|name| (name, key)));
        self.sessions.insert(key, Entry { names, prefix, waiting_since: None, over: false });
    }

    /// The session that a resume names.
    ///
    /// # Errors
    /// There is none (any more): what to refuse with.
    pub(super) fn find(&self, name: SessionName) -> Result<K, Status> {
        self.by_name.get(&name).copied().ok_or_else(|| self.ended.status(name))
    }

    /// The session's names may have changed ([`fastway_session::Session::names`]).
    pub(super) fn rename(&mut self, key: K, names: Names) {
        let Some(entry) = self.sessions.get_mut(&key) else { return };
        for retired in entry.names.iter().filter(|name| !names.contains(*name)) {
            self.by_name.remove(&retired);
        }
        entry.names = names;
        self.by_name.extend(names.iter().map(|name| (name, key)));
    }

    /// The session waits, and `bytes` are kept for it; call it again when they have changed. Returns the sessions that
    /// have to end for it, which may be this one. They are removed.
    pub(super) fn wait(&mut self, key: K, bytes: usize) -> Vec<K> {
        let Some(entry) = self.sessions.get_mut(&key) else { return Vec::new() };
        self.clock += 1;
        let since = *entry.waiting_since.get_or_insert(self.clock);
        let prefix = entry.prefix;
        self.waiting.insert(key, prefix, since, bytes);
        self.make_room(prefix)
    }

    /// The session has a transport (again), from an address of `prefix`, and `names`. If it had to make room meanwhile
    /// and its owner has not heard of that yet, it is registered anew: a session that lives is kept.
    pub(super) fn resumed(&mut self, key: K, prefix: AddressPrefix, names: Names) {
        self.leave(key);
        match self.sessions.get_mut(&key) {
            Some(entry) => entry.prefix = prefix,
            None => self.insert(key, prefix, names),
        }
        self.rename(key, names);
    }

    /// Whether the session is there: it was not removed, by its owner or to make room for others.
    pub(super) fn contains(&self, key: K) -> bool {
        self.sessions.contains_key(&key)
    }

    /// The session is over, and is found until it is removed: its peer may come once more to learn of that.
    pub(super) fn end(&mut self, key: K) {
        self.leave(key);
        if let Some(entry) = self.sessions.get_mut(&key)
            && !std::mem::replace(&mut entry.over, true)
        {
            self.over += 1;
        }
    }

    /// The session is gone. Its names are remembered for a while.
    pub(super) fn remove(&mut self, key: K) {
        self.leave(key);
        let Some(entry) = self.sessions.remove(&key) else { return };
        self.over -= usize::from(entry.over);
        for name in entry.names.iter() {
            self.by_name.remove(&name);
            self.ended.remember(name);
        }
    }

    /// What waits now.
    pub(super) const fn waiting(&self) -> Share {
        self.waiting.total()
    }

    /// Sessions that are not over, waiting or not.
    pub(super) fn len(&self) -> usize {
        self.sessions.len() - self.over
    }

    fn leave(&mut self, key: K) {
        self.waiting.remove(key);
        if let Some(entry) = self.sessions.get_mut(&key) {
            entry.waiting_since = None;
        }
    }

    /// Removes sessions until the bounds hold again.
    fn make_room(&mut self, newest: AddressPrefix) -> Vec<K> {
        let mut evicted = Vec::new();
        while let Some(key) = self.one_too_many(newest) {
            self.remove(key);
            evicted.push(key);
        }
        evicted
    }

    fn one_too_many(&self, newest: AddressPrefix) -> Option<K> {
        let limits = &self.limits;
        let (there, all) = (self.waiting.share(newest), self.waiting.total());
        if there.holders > limits.sessions_per_address || there.bytes > limits.bytes_per_address {
            self.waiting.first_to_yield_for(newest)
        } else if all.holders > limits.sessions || all.bytes > limits.bytes {
            self.waiting.first_to_yield()
        } else {
            None
        }
    }
}

/// The names of the sessions that ended last.
#[derive(Debug, Default)]
struct Ended {
    names: HashSet<SessionName>,
    oldest_first: VecDeque<SessionName>,
}

impl Ended {
    fn remember(&mut self, name: SessionName) {
        if self.names.insert(name) {
            self.oldest_first.push_back(name);
        }
        if self.oldest_first.len() > REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    fn status(&self, name: SessionName) -> Status {
        if self.names.contains(&name) { Status::Expired } else { Status::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: WaitingLimits =
        WaitingLimits { sessions: 5, bytes: 100_000, sessions_per_address: 3, bytes_per_address: 18_000 };

    fn names(current: u64, next: Option<u64>) -> Names {
        Names::new(SessionName::Legacy(current), next.map(SessionName::Legacy))
    }

    /// An address for each letter.
    fn prefix(letter: char) -> AddressPrefix {
        AddressPrefix::V4(Ipv4Addr::from_bits(letter.into()))
    }

    fn table(sessions: &[(u32, char)]) -> SessionTable<u32> {
        let mut table = SessionTable::new(LIMITS);
        for (key, letter) in sessions {
            table.insert(*key, prefix(*letter), names((*key).into(), None));
        }
        table
    }

    #[test]
    fn a_session_is_found_by_its_names_and_no_other() {
        let mut table = table(&[(1, 'a')]);
        table.rename(1, names(1, Some(101)));
        assert_eq!([1, 101].map(|name| table.find(SessionName::Legacy(name))), [Ok(1); 2]);
        table.rename(1, names(101, None));
        assert_eq!(table.find(SessionName::Legacy(1)), Err(Status::Unknown), "it was not the end of it");
        table.remove(1);
        assert_eq!(table.find(SessionName::Legacy(101)), Err(Status::Expired));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn ended_names_are_forgotten_in_the_end() {
        let mut table = table(&[(1, 'a')]);
        table.remove(1);
        for key in 2..2000 {
            table.insert(key, prefix('a'), names(key.into(), None));
            table.remove(key);
        }
        assert_eq!(table.find(SessionName::Legacy(1)), Err(Status::Unknown));
        assert_eq!((table.ended.names.len(), table.ended.oldest_first.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn who_leaves_many_behind_loses_his_own_oldest_first() {
        let mut table = table(&[(1, 'b'), (2, 'a'), (3, 'a'), (4, 'a'), (5, 'c'), (6, 'd')]);
        for key in 1..=5 {
            assert_eq!(table.wait(key, 0), [0; 0]);
        }
        assert_eq!(table.wait(6, 0), [2], "and not session 1, which is older");
        assert_eq!(table.waiting(), Share { holders: 5, bytes: 0 });
    }

    #[test]
    fn sessions_count_for_an_address() {
        let mut table = table(&[(1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')]);
        for key in 1..=3 {
            assert_eq!(table.wait(key, 0), [0; 0]);
        }
        assert_eq!(table.wait(4, 0), [1]);
    }

    #[test]
    fn bytes_count_for_an_address() {
        let mut table = table(&[(1, 'a'), (2, 'a'), (3, 'b')]);
        assert_eq!(table.wait(3, 15_000), [0; 0]);
        assert_eq!(table.wait(1, 10_000), [0; 0]);
        assert_eq!(table.wait(2, 1_000), [0; 0]);
        assert_eq!(table.wait(2, 9_000), [1]);
        assert_eq!(table.wait(2, 19_000), [2], "alone, it is too large itself");
        assert_eq!(table.waiting(), Share { holders: 1, bytes: 15_000 });
    }

    #[test]
    fn a_resumed_session_counts_no_more() {
        let mut table = table(&[(1, 'a')]);
        table.wait(1, 9_000);
        table.resumed(1, prefix('b'), names(1, None));
        assert_eq!((table.waiting(), table.len()), (Share::default(), 1));
        assert_eq!(table.find(SessionName::Legacy(1)), Ok(1));
    }

    #[test]
    fn a_session_that_is_resumed_after_it_had_to_make_room_is_registered_anew() {
        let mut table = table(&[(1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')]);
        (1..=3).for_each(|key| drop(table.wait(key, 0)));
        assert_eq!(table.wait(4, 0), [1]);
        assert!(!table.contains(1));
        table.resumed(1, prefix('a'), names(101, None));
        assert!(table.contains(1));
        assert_eq!(table.find(SessionName::Legacy(101)), Ok(1));
        assert_eq!(table.waiting(), Share { holders: 3, bytes: 0 });
    }

    #[test]
    fn a_session_that_is_over_is_found_and_not_counted() {
        let mut table = table(&[(1, 'a'), (2, 'a')]);
        table.wait(1, 9_000);
        table.end(1);
        table.end(1);
        assert_eq!((table.find(SessionName::Legacy(1)), table.len()), (Ok(1), 1));
        assert_eq!(table.waiting(), Share::default());
        table.remove(1);
        assert_eq!((table.find(SessionName::Legacy(1)), table.len()), (Err(Status::Expired), 1));
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_nothing_is_left_behind(
            steps in prop::collection::vec((0..5u8, 0..12u32, 0..3u32, 0..25_000usize), 0..200),
        ) {
            let mut table = SessionTable::new(LIMITS);
            for (step, key, address, bytes) in steps {
                let prefix = AddressPrefix::V4(Ipv4Addr::from_bits(address));
                match step {
                    0 => table.insert(key, prefix, names(key.into(), None)),
                    1 => drop(table.wait(key, bytes)),
                    2 => table.resumed(key, prefix, names(key.into(), None)),
                    3 => table.end(key),
                    _ => table.remove(key),
                }
                let waiting = table.sessions.values().filter(|entry| entry.waiting_since.is_some()).count();
                let load = table.waiting();
                prop_assert_eq!(load.holders, waiting);
                prop_assert!(load.holders <= LIMITS.sessions && load.bytes <= LIMITS.bytes);
                for share in (0..3).map(|address| table.waiting.share(AddressPrefix::V4(Ipv4Addr::from_bits(address)))) {
                    prop_assert!(share.holders <= LIMITS.sessions_per_address);
                    prop_assert!(share.bytes <= LIMITS.bytes_per_address);
                }
                prop_assert_eq!(table.by_name.len(), table.len() + table.over);
                prop_assert_eq!(table.sessions.values().filter(|entry| entry.over).count(), table.over);
            }
            for key in 0..12 {
                table.remove(key);
            }
            prop_assert!(table.by_name.is_empty());
            prop_assert_eq!(table.waiting(), Share::default());
        }
    }
}
