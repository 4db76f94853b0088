//! The acceptor's table of sessions: found by name, and bounded while they wait for a transport.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::{Names, SessionName, Status};

/// Names of ended sessions that are remembered, to tell `Expired` from `Unknown`.
const REMEMBERED: usize = 1024;

/// What a waiting session counts for beside the bytes that it keeps: about its own size with its tables.
const SESSION_BYTES: usize = 2048;

/// Bounds on sessions that wait for a transport. Sessions with a transport are bounded as links are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    /// Sessions that wait.
    pub sessions: usize,
    /// Bytes kept for them, all together.
    pub bytes: usize,
    /// Sessions of one address that wait.
    pub sessions_per_address: usize,
    /// Bytes kept for those of one address.
    pub bytes_per_address: usize,
}

/// The sessions of an acceptor: `K` is how the owner knows them, `A` what counts as one address.
///
/// When a bound on waiting sessions is exceeded, the oldest waiting session of the address with the most on it has to
/// go: somebody who leaves sessions behind pushes out his own before anybody else's.
#[derive(Debug)]
pub struct Registry<K, A> {
    limits: WaitingLimits,
    by_name: HashMap<SessionName, K>,
    sessions: HashMap<K, Entry<A>>,
    addresses: HashMap<A, Address<K>>,
    /// Addresses with waiting sessions, by what they have on them.
    crowded: BTreeSet<(usize, A)>,
    waiting: Load,
    /// Sessions that are over, and still found.
    over: usize,
    /// Orders the waiting ones by the time at which they began to.
    clock: u64,
    ended: Ended,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Sessions.
    pub sessions: usize,
    /// Bytes kept for them.
    pub bytes: usize,
}

#[derive(Debug)]
struct Entry<A> {
    names: Names,
    address: A,
    waiting: Option<Waiting>,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Address<K> {
    oldest_first: BTreeSet<(u64, K)>,
    bytes: usize,
}

impl<K> Default for Address<K> {
    fn default() -> Self {
        Self { oldest_first: BTreeSet::new(), bytes: 0 }
    }
}

impl<K: Copy + Ord + Hash, A: Copy + Ord + Hash> Registry<K, A> {
    /// An empty one.
    pub fn new(limits: WaitingLimits) -> Self {
        Self {
            limits,
            by_name: HashMap::new(),
            sessions: HashMap::new(),
            addresses: HashMap::new(),
            crowded: BTreeSet::new(),
            waiting: Load::default(),
            over: 0,
            clock: 0,
            ended: Ended::default(),
        }
    }

    /// A session has begun, and has a transport.
    pub fn insert(&mut self, key: K, address: A, names: Names) {
        self.remove(key);
        self.by_name.extend(names.iter().map(|name| (name, key)));
        self.sessions.insert(key, Entry { names, address, waiting: None, over: false });
    }

    /// The session that a resume names.
    ///
    /// # Errors
    /// There is none (any more): what to refuse with.
    pub fn find(&self, name: SessionName) -> Result<K, Status> {
        self.by_name.get(&name).copied().ok_or_else(|| self.ended.status(name))
    }

    /// The session's names may have changed ([`crate::Session::names`]).
    pub fn rename(&mut self, key: K, names: Names) {
        let Some(entry) = self.sessions.get_mut(&key) else { return };
        for retired in entry.names.iter().filter(|name| !names.contains(*name)) {
            self.by_name.remove(&retired);
        }
        entry.names = names;
        self.by_name.extend(names.iter().map(|name| (name, key)));
    }

    /// The session waits, and `bytes` are kept for it; call it again when they have changed. Returns the sessions that
    /// have to end for it, which may be this one. They are removed.
    pub fn wait(&mut self, key: K, bytes: usize) -> Vec<K> {
        let Some(entry) = self.sessions.get_mut(&key) else { return Vec::new() };
        let since = match entry.waiting {
            Some(waiting) => waiting.since,
            None => {
                self.clock += 1;
                self.clock
            }
        };
        let address = entry.address;
        self.leave(key);
        self.join(key, address, Waiting { since, bytes });
        self.make_room(address)
    }

    /// The session has a transport (again), from `address`, and `names`. If it had to make room meanwhile and its owner
    /// has not heard of that yet, it is registered anew: a session that lives is kept.
    pub fn resumed(&mut self, key: K, address: A, names: Names) {
        self.leave(key);
        match self.sessions.get_mut(&key) {
            Some(entry) => entry.address = address,
            None => self.insert(key, address, names),
        }
        self.rename(key, names);
    }

    /// Whether the session is there: it was not removed, by its owner or to make room for others.
    pub fn contains(&self, key: K) -> bool {
        self.sessions.contains_key(&key)
    }

    /// The session is over, and is found until it is removed: its peer may come once more to learn of that.
    pub fn end(&mut self, key: K) {
        self.leave(key);
        if let Some(entry) = self.sessions.get_mut(&key)
            && !std::mem::replace(&mut entry.over, true)
        {
            self.over += 1;
        }
    }

    /// The session is gone. Its names are remembered for a while.
    pub fn remove(&mut self, key: K) {
        self.leave(key);
        let Some(entry) = self.sessions.remove(&key) else { return };
        self.over -= usize::from(entry.over);
        for name in entry.names.iter() {
            self.by_name.remove(&name);
            self.ended.remember(name);
        }
    }

    /// What waits now.
    pub const fn waiting(&self) -> Load {
        self.waiting
    }

    /// Sessions that are not over, waiting or not.
    pub fn len(&self) -> usize {
        self.sessions.len() - self.over
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn join(&mut self, key: K, address: A, waiting: Waiting) {
        if let Some(entry) = self.sessions.get_mut(&key) {
            entry.waiting = Some(waiting);
            self.waiting.sessions += 1;
            self.waiting.bytes += waiting.bytes;
            self.change(address, |at| {
                at.oldest_first.insert((waiting.since, key));
                at.bytes += waiting.bytes;
            });
        }
    }

    fn leave(&mut self, key: K) {
        let Some(entry) = self.sessions.get_mut(&key) else { return };
        if let Some(waiting) = entry.waiting.take() {
            let address = entry.address;
            self.waiting.sessions -= 1;
            self.waiting.bytes -= waiting.bytes;
            self.change(address, |at| {
                at.oldest_first.remove(&(waiting.since, key));
                at.bytes -= waiting.bytes;
            });
        }
    }

    /// Changes what is on an address, and keeps the order of addresses.
    fn change(&mut self, address: A, change: impl FnOnce(&mut Address<K>)) {
        let at = self.addresses.entry(address).or_default();
        self.crowded.remove(&(at.load(), address));
        change(at);
        if at.oldest_first.is_empty() {
            self.addresses.remove(&address);
        } else {
            self.crowded.insert((at.load(), address));
        }
    }

    fn make_room(&mut self, newest: A) -> Vec<K> {
        let mut evicted = Vec::new();
        while let Some(key) = self.one_too_many(newest) {
            self.remove(key);
            evicted.push(key);
        }
        evicted
    }

    fn one_too_many(&self, newest: A) -> Option<K> {
        let oldest_of = |address: &A| self.addresses.get(address)?.oldest_first.first().map(|(_, key)| *key);
        if self.addresses.get(&newest).is_some_and(|at| at.exceeds(&self.limits)) {
            return oldest_of(&newest);
        }
        let too_many = self.waiting.sessions > self.limits.sessions || self.waiting.bytes > self.limits.bytes;
        self.crowded.last().filter(|_| too_many).and_then(|(_, address)| oldest_of(address))
    }
}

impl<K> Address<K> {
    fn exceeds(&self, limits: &WaitingLimits) -> bool {
        self.oldest_first.len() > limits.sessions_per_address || self.bytes > limits.bytes_per_address
    }

    /// By which addresses are compared.
    fn load(&self) -> usize {
        self.bytes + self.oldest_first.len() * SESSION_BYTES
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
    use proptest::prelude::*;

    use super::*;

    const LIMITS: WaitingLimits =
        WaitingLimits { sessions: 5, bytes: 100_000, sessions_per_address: 3, bytes_per_address: 18_000 };

    fn names(current: u64, next: Option<u64>) -> Names {
        Names::new(SessionName::Legacy(current), next.map(SessionName::Legacy))
    }

    fn registry(sessions: &[(u32, char)]) -> Registry<u32, char> {
        let mut registry = Registry::new(LIMITS);
        for (key, address) in sessions {
            registry.insert(*key, *address, names((*key).into(), None));
        }
        registry
    }

    #[test]
    fn a_session_is_found_by_its_names_and_no_other() {
        let mut registry = registry(&[(1, 'a')]);
        registry.rename(1, names(1, Some(101)));
        assert_eq!([1, 101].map(|name| registry.find(SessionName::Legacy(name))), [Ok(1); 2]);
        registry.rename(1, names(101, None));
        assert_eq!(registry.find(SessionName::Legacy(1)), Err(Status::Unknown), "it was not the end of it");
        registry.remove(1);
        assert_eq!(registry.find(SessionName::Legacy(101)), Err(Status::Expired));
        assert!(registry.is_empty());
    }

    #[test]
    fn ended_names_are_forgotten_in_the_end() {
        let mut registry = registry(&[(1, 'a')]);
        registry.remove(1);
        for key in 2..2000 {
            registry.insert(key, 'a', names(key.into(), None));
            registry.remove(key);
        }
        assert_eq!(registry.find(SessionName::Legacy(1)), Err(Status::Unknown));
        assert_eq!((registry.ended.names.len(), registry.ended.oldest_first.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn who_leaves_many_behind_loses_his_own_oldest_first() {
        let mut registry = registry(&[(1, 'b'), (2, 'a'), (3, 'a'), (4, 'a'), (5, 'c'), (6, 'd')]);
        for key in 1..=5 {
            assert_eq!(registry.wait(key, 0), [0; 0]);
        }
        assert_eq!(registry.wait(6, 0), [2], "and not session 1, which is older");
        assert_eq!(registry.waiting(), Load { sessions: 5, bytes: 0 });
    }

    #[test]
    fn sessions_count_for_an_address() {
        let mut registry = registry(&[(1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')]);
        for key in 1..=3 {
            assert_eq!(registry.wait(key, 0), [0; 0]);
        }
        assert_eq!(registry.wait(4, 0), [1]);
    }

    #[test]
    fn bytes_count_for_an_address() {
        let mut registry = registry(&[(1, 'a'), (2, 'a'), (3, 'b')]);
        assert_eq!(registry.wait(3, 15_000), [0; 0]);
        assert_eq!(registry.wait(1, 10_000), [0; 0]);
        assert_eq!(registry.wait(2, 1_000), [0; 0]);
        assert_eq!(registry.wait(2, 9_000), [1]);
        assert_eq!(registry.wait(2, 19_000), [2], "alone, it is too large itself");
        assert_eq!(registry.waiting(), Load { sessions: 1, bytes: 15_000 });
    }

    #[test]
    fn a_resumed_session_counts_no_more() {
        let mut registry = registry(&[(1, 'a')]);
        registry.wait(1, 9_000);
        registry.resumed(1, 'b', names(1, None));
        assert_eq!((registry.waiting(), registry.len()), (Load::default(), 1));
        assert_eq!(registry.find(SessionName::Legacy(1)), Ok(1));
    }

    #[test]
    fn a_session_that_is_resumed_after_it_had_to_make_room_is_registered_anew() {
        let mut registry = registry(&[(1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')]);
        (1..=3).for_each(|key| drop(registry.wait(key, 0)));
        assert_eq!(registry.wait(4, 0), [1]);
        assert!(!registry.contains(1));
        registry.resumed(1, 'a', names(101, None));
        assert!(registry.contains(1));
        assert_eq!(registry.find(SessionName::Legacy(101)), Ok(1));
        assert_eq!(registry.waiting(), Load { sessions: 3, bytes: 0 });
    }

    #[test]
    fn a_session_that_is_over_is_found_and_not_counted() {
        let mut registry = registry(&[(1, 'a'), (2, 'a')]);
        registry.wait(1, 9_000);
        registry.end(1);
        registry.end(1);
        assert_eq!((registry.find(SessionName::Legacy(1)), registry.len()), (Ok(1), 1));
        assert_eq!(registry.waiting(), Load::default());
        registry.remove(1);
        assert_eq!((registry.find(SessionName::Legacy(1)), registry.len()), (Err(Status::Expired), 1));
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_nothing_is_left_behind(
            steps in prop::collection::vec((0..5u8, 0..12u32, 0..3u8, 0..25_000usize), 0..200),
        ) {
            let mut registry = Registry::new(LIMITS);
            for (step, key, address, bytes) in steps {
                match step {
                    0 => registry.insert(key, address, names(key.into(), None)),
                    1 => drop(registry.wait(key, bytes)),
                    2 => registry.resumed(key, address, names(key.into(), None)),
                    3 => registry.end(key),
                    _ => registry.remove(key),
                }
                let waiting: Vec<_> = registry.sessions.values().filter_map(|entry| entry.waiting).collect();
                let load = Load { sessions: waiting.len(), bytes: waiting.iter().map(|waiting| waiting.bytes).sum() };
                prop_assert_eq!(registry.waiting(), load);
                prop_assert!(load.sessions <= LIMITS.sessions && load.bytes <= LIMITS.bytes);
                prop_assert!(!registry.addresses.values().any(|at| at.exceeds(&LIMITS)));
                prop_assert_eq!(registry.crowded.len(), registry.addresses.len());
                prop_assert_eq!(registry.by_name.len(), registry.len() + registry.over);
                prop_assert_eq!(registry.sessions.values().filter(|entry| entry.over).count(), registry.over);
            }
            for key in 0..12 {
                registry.remove(key);
            }
            prop_assert!(registry.addresses.is_empty() && registry.by_name.is_empty() && registry.crowded.is_empty());
        }
    }
}
