//! Handshakes in progress, with bounds on their number and on their time.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::{AddressPrefix, FairTable};

/// What a peer that was answered may take to prove that it has read the answer: a round trip, and what a slow peer needs
/// to compute.
const TIME_TO_PROVE: Duration = Duration::from_secs(1);

/// Bounds on handshakes in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Handshakes in progress. Beyond that one of the address prefix that has most makes room for the newest.
    pub at_once: usize,
    /// Those of one address prefix, or of a 16th of a /48. Beyond that one of its own makes room.
    pub per_address: usize,
    /// Those whose peers were answered as candidates. Beyond that one of the address prefix that has most of them makes room.
    pub candidates: usize,
    /// For how long one may take.
    pub time: Duration,
}

/// Handshakes in progress, known to their owner as `K`.
///
/// Of an address prefix that has to make room, the handshake goes that has made least [`Progress`]; among equals the
/// oldest, but among those that wait for their turn the newest: whoever has waited longest is served next.
#[derive(Debug)]
pub struct PendingHandshakes<K> {
    limits: HandshakeLimits,
    pending: HashMap<K, Pending>,
    table: FairTable<K, Priority>,
    /// By age.
    oldest_first: BTreeSet<(u64, K)>,
    /// Those whose peers were answered, by when that was.
    answered: BTreeSet<(Instant, K)>,
    /// The candidates, by age.
    candidates: FairTable<K, u64>,
    begun: u64,
}

/// How far a handshake is. Whoever is further goes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// The peer has sent nothing.
    Silent,
    /// The peer has sent something.
    Heard,
    /// The peer has sent all that is needed for an answer, and waits for its turn.
    Waiting,
    /// The peer was answered, and has to prove that it has read the answer.
    Answered,
}

/// By progress, then by age. The lowest goes first.
type Priority = (Progress, u64);

#[derive(Clone, Copy, Debug)]
struct Pending {
    prefix: AddressPrefix,
    number: u64,
    since: Instant,
    answered: Option<Instant>,
}

impl<K: Copy + Ord + Hash> PendingHandshakes<K> {
    /// None is in progress.
    pub fn new(limits: HandshakeLimits) -> Self {
        Self {
            limits,
            pending: HashMap::new(),
            table: FairTable::new(1),
            oldest_first: BTreeSet::new(),
            answered: BTreeSet::new(),
            candidates: FairTable::new(1),
            begun: 0,
        }
    }

    /// Changes the limits; see [`PendingHandshakes::one_too_many`].
    pub const fn set_limits(&mut self, limits: HandshakeLimits) {
        self.limits = limits;
    }

    /// The next handshake that has to end, since limits that were lowered allow fewer in all. It is ended.
    pub fn one_too_many(&mut self) -> Option<K> {
        let yields = if self.len() > self.limits.at_once { self.table.first_to_yield() } else { None };
        yields.inspect(|key| self.end(*key))
    }

    /// A handshake begins. Returns the one that has to end for it, if any.
    pub fn begin(&mut self, key: K, prefix: AddressPrefix, now: Instant) -> Option<K> {
        let dropped = if self.has_enough(prefix) {
            self.table.first_to_yield_for(prefix)
        } else if self.len() >= self.limits.at_once {
            self.table.first_to_yield()
        } else {
            None
        };
        self.replace(dropped, key, prefix, now)
    }

    /// The same for a peer that stands for many, as a load balancer does: the bound of an address does not hold for its own.
    /// See [`PendingHandshakes::relocate`].
    pub fn begin_for_another(&mut self, key: K, prefix: AddressPrefix, now: Instant) -> Option<K> {
        let dropped = if self.len() >= self.limits.at_once { self.table.first_to_yield() } else { None };
        self.replace(dropped, key, prefix, now)
    }

    /// The peer of a handshake, who has sent nothing else as yet, has another address than it seemed. Returns the handshake
    /// of that address that has to end for it, if any.
    pub fn relocate(&mut self, key: K, prefix: AddressPrefix) -> Option<K> {
        let number = self.pending.get(&key)?.number;
        self.table.remove(key);
        let dropped = if self.has_enough(prefix) { self.table.first_to_yield_for(prefix) } else { None };
        dropped.inspect(|dropped| self.end(*dropped));

        if let Some(pending) = self.pending.get_mut(&key) {
            pending.prefix = prefix;
        }
        self.table.insert(key, prefix, priority(Progress::Silent, number), 0);
        dropped
    }

    /// Whether as many come from an address as may.
    fn has_enough(&self, prefix: AddressPrefix) -> bool {
        self.table.share(prefix).holders >= self.limits.per_address
    }

    /// Ends one handshake, if any, and begins another.
    fn replace(&mut self, dropped: Option<K>, key: K, prefix: AddressPrefix, now: Instant) -> Option<K> {
        dropped.inspect(|dropped| self.end(*dropped));

        self.begun += 1;
        self.pending.insert(key, Pending { prefix, number: self.begun, since: now, answered: None });
        self.table.insert(key, prefix, priority(Progress::Silent, self.begun), 0);
        self.oldest_first.insert((self.begun, key));
        dropped
    }

    /// A handshake has come so far.
    pub fn advance(&mut self, key: K, progress: Progress, now: Instant) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        self.table.insert(key, pending.prefix, priority(progress, pending.number), 0);
        if progress == Progress::Answered && pending.answered.is_none() {
            pending.answered = Some(now);
            self.answered.insert((now, key));
        }
    }

    /// The peer was answered as a candidate: it competes with others for the same, and whoever saw one of them ask can make
    /// many more. So candidates take nothing of the room for answers, and have a bound of their own. Beyond that the oldest
    /// of the address prefix with most of them has to end, and is returned.
    pub fn answer_candidate(&mut self, key: K) -> Option<K> {
        let Pending { prefix, number, .. } = *self.pending.get(&key)?;
        self.table.insert(key, prefix, priority(Progress::Answered, number), 0);
        self.candidates.insert(key, prefix, number, 0);

        let are_too_many = self.candidates.total().holders > self.limits.candidates;
        let dropped = if are_too_many { self.candidates.first_to_yield() } else { None };
        dropped.inspect(|dropped| self.end(*dropped))
    }

    /// How many more peers may be answered. Those that were answered within the last second take half of the table at
    /// most: they take themselves to be let in, and must not be dropped for newcomers before they can have proven it.
    pub fn room_for_answers(&self, now: Instant) -> usize {
        let half = self.limits.at_once.div_ceil(2);
        let is_recent = |(at, _): &&(Instant, K)| now.saturating_duration_since(*at) < TIME_TO_PROVE;
        half - self.answered.iter().rev().take(half).take_while(is_recent).count()
    }

    /// A handshake has ended, well or not.
    pub fn end(&mut self, key: K) {
        if let Some(Pending { number, answered, .. }) = self.pending.remove(&key) {
            self.table.remove(key);
            self.candidates.remove(key);
            self.oldest_first.remove(&(number, key));
            if let Some(at) = answered {
                self.answered.remove(&(at, key));
            }
        }
    }

    /// Ends the oldest handshake that has taken too long, and says which; call it until there is none.
    pub fn late(&mut self, now: Instant) -> Option<K> {
        let (_, oldest) = *self.oldest_first.first()?;
        let since = self.pending.get(&oldest)?.since;
        if now.saturating_duration_since(since) < self.limits.time {
            return None;
        }
        self.end(oldest);
        Some(oldest)
    }

    /// Handshakes in progress.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

const fn priority(progress: Progress, number: u64) -> Priority {
    let newest_first = matches!(progress, Progress::Waiting);
    (progress, if newest_first { u64::MAX - number } else { number })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const LIMITS: HandshakeLimits =
        HandshakeLimits { at_once: 4, per_address: 3, candidates: 2, time: Duration::from_secs(10) };

    fn prefix(address: &str) -> AddressPrefix {
        AddressPrefix::from(address.parse::<IpAddr>().unwrap())
    }

    /// Handshakes that begin at one moment, numbered from 0.
    fn handshakes(addresses: &[&str]) -> PendingHandshakes<usize> {
        let (mut handshakes, now) = (PendingHandshakes::new(LIMITS), Instant::now());
        for (number, address) in addresses.iter().enumerate() {
            assert_eq!(handshakes.begin(number, prefix(address), now), None);
        }
        handshakes
    }

    fn next(handshakes: &mut PendingHandshakes<usize>, address: &str) -> Option<usize> {
        handshakes.begin(99, prefix(address), Instant::now())
    }

    #[test]
    fn an_address_that_has_most_makes_room_for_others() {
        let mut handshakes = handshakes(&["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(next(&mut handshakes, "192.0.2.4"), Some(1), "and not 0, which is older");
        assert_eq!(handshakes.len(), 4);
    }

    #[test]
    fn a_peer_that_stands_for_many_has_no_bound_of_its_own_and_those_behind_it_have() {
        let (mut handshakes, now) = (PendingHandshakes::new(HandshakeLimits { at_once: 5, ..LIMITS }), Instant::now());
        let (proxy, player) = (prefix("192.0.2.1"), prefix("198.51.100.1"));
        for number in 0..5 {
            assert_eq!(handshakes.begin_for_another(number, proxy, now), None, "{number}, and 3 of one address may");
        }
        assert_eq!(handshakes.begin_for_another(5, proxy, now), Some(0), "the bound on all of them holds");

        for number in 1..4 {
            assert_eq!(handshakes.relocate(number, player), None);
        }
        assert_eq!(handshakes.relocate(4, player), Some(1), "the oldest of the real address");
        assert_eq!((handshakes.relocate(1, player), handshakes.len()), (None, 4));
        handshakes.end(5);
        assert_eq!(handshakes.begin(6, player, now), Some(2));
    }

    #[test]
    fn those_beyond_a_lower_limit_end() {
        let mut handshakes = handshakes(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
        handshakes.advance(0, Progress::Heard, Instant::now());
        handshakes.set_limits(HandshakeLimits { at_once: 2, ..LIMITS });
        let ended: Vec<usize> = std::iter::from_fn(|| handshakes.one_too_many()).collect();
        assert_eq!((ended, handshakes.len()), (vec![1, 2], 2));
        assert_eq!(next(&mut handshakes, "192.0.2.5"), Some(3));
        handshakes.set_limits(HandshakeLimits { at_once: 5, ..LIMITS });
        assert_eq!(handshakes.begin(100, prefix("192.0.2.6"), Instant::now()), None);
    }

    #[test]
    fn among_equals_the_oldest_makes_room() {
        let mut handshakes = handshakes(&["192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"]);
        assert_eq!(next(&mut handshakes, "192.0.2.5"), Some(0));
    }

    #[test]
    fn silent_peers_make_room_first() {
        let mut handshakes = handshakes(&["192.0.2.2", "192.0.2.1", "192.0.2.1", "192.0.2.3"]);
        [0, 1, 3].into_iter().for_each(|heard| handshakes.advance(heard, Progress::Heard, Instant::now()));
        assert_eq!(next(&mut handshakes, "192.0.2.4"), Some(2), "of the address that has most");

        let mut handshakes = self::handshakes(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
        [0, 1, 3].into_iter().for_each(|heard| handshakes.advance(heard, Progress::Heard, Instant::now()));
        assert_eq!(next(&mut handshakes, "192.0.2.5"), Some(2), "of addresses that have as much");
    }

    #[test]
    fn whoever_has_made_least_progress_makes_room_and_the_longest_wait_is_kept() {
        use Progress::{Answered, Heard, Silent, Waiting};
        for (progress, expected) in [
            ([Waiting, Waiting, Waiting, Heard], 3),
            ([Silent, Waiting, Heard, Silent], 0),
            ([Waiting, Waiting, Waiting, Answered], 2),
            ([Answered, Answered, Answered, Answered], 0),
        ] {
            let mut handshakes = handshakes(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
            (0..).zip(progress).for_each(|(key, progress)| handshakes.advance(key, progress, Instant::now()));
            assert_eq!(next(&mut handshakes, "192.0.2.5"), Some(expected), "{progress:?}");
        }
    }

    #[test]
    fn peers_that_were_answered_within_a_second_take_half_of_the_table_at_most() {
        let (mut handshakes, now) = (PendingHandshakes::new(LIMITS), Instant::now());
        for (key, address) in ["192.0.2.1", "192.0.2.2", "192.0.2.3"].into_iter().enumerate() {
            handshakes.begin(key, prefix(address), now);
        }
        handshakes.advance(0, Progress::Answered, now);
        assert_eq!(handshakes.room_for_answers(now), 1);
        handshakes.advance(1, Progress::Answered, now);
        assert_eq!(handshakes.room_for_answers(now + TIME_TO_PROVE - Duration::from_millis(1)), 0);
        assert_eq!(
            handshakes.room_for_answers(now + TIME_TO_PROVE),
            2,
            "whoever proves nothing holds nobody up for longer"
        );
        handshakes.end(0);
        assert_eq!(handshakes.room_for_answers(now), 1, "it has proven itself");
        handshakes.end(1);
        assert!(handshakes.answered.is_empty());
    }

    /// Candidates that were answered at one moment, numbered from 0, of which there may be 8. Who was dropped?
    fn candidates(addresses: &[&str]) -> (PendingHandshakes<usize>, Vec<usize>) {
        let limits = HandshakeLimits { at_once: 32, per_address: 32, candidates: 8, ..LIMITS };
        let (mut handshakes, now) = (PendingHandshakes::new(limits), Instant::now());
        let mut dropped = Vec::new();
        for (key, address) in addresses.iter().enumerate() {
            assert_eq!(handshakes.begin(key, prefix(address), now), None);
            handshakes.advance(key, Progress::Waiting, now);
            dropped.extend(handshakes.answer_candidate(key));
        }
        (handshakes, dropped)
    }

    #[test]
    fn candidates_leave_the_room_for_answers_to_others() {
        let (mut handshakes, dropped) = candidates(&["192.0.2.1"; 8]);
        assert_eq!((dropped, handshakes.len()), (vec![], 8));
        assert_eq!(handshakes.room_for_answers(Instant::now()), 16);
        (0..8).for_each(|key| handshakes.end(key));
        assert!(handshakes.is_empty() && handshakes.candidates.total().holders == 0);
    }

    #[test]
    fn of_too_many_candidates_the_oldest_of_the_prefix_with_most_gives_way() {
        let here = ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"];
        let (handshakes, dropped) = candidates(&[&here[..], &["192.0.2.3"; 4], &["192.0.2.4", "192.0.2.2"]].concat());
        assert_eq!((dropped, handshakes.len()), (vec![4, 1], 8), "0 is the oldest, and alone");
    }

    #[test]
    fn a_candidate_that_was_begun_before_the_others_of_its_prefix_gives_way_itself() {
        let (mut handshakes, _) = candidates(&["192.0.2.1"; 8]);
        let now = Instant::now();
        handshakes.begin(8, prefix("192.0.2.1"), now);
        handshakes.begin(9, prefix("192.0.2.1"), now);
        assert_eq!(handshakes.answer_candidate(9), Some(0));
        (1..8).for_each(|key| handshakes.end(key));
        (10..17).for_each(|key| {
            handshakes.begin(key, prefix("192.0.2.1"), now);
            assert_eq!(handshakes.answer_candidate(key), None);
        });
        assert_eq!(handshakes.answer_candidate(8), Some(8));
        assert_eq!(handshakes.answer_candidate(8), None, "it has ended");
    }

    #[test]
    fn candidates_make_room_in_a_full_table_as_answered_peers_do() {
        let mut handshakes = handshakes(&["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]);
        let now = Instant::now();
        assert_eq!(handshakes.answer_candidate(1), None);
        handshakes.advance(0, Progress::Answered, now);
        handshakes.advance(2, Progress::Waiting, now);
        assert_eq!(next(&mut handshakes, "192.0.2.3"), Some(2), "whoever waits goes first");
        assert_eq!(handshakes.begin(5, prefix("192.0.2.4"), now), Some(0), "then the oldest");
        assert_eq!(handshakes.begin(6, prefix("192.0.2.1"), now), Some(3), "among equals the silent ones");
        assert_eq!(handshakes.len(), 4);
    }

    #[test]
    fn an_address_at_its_own_bound_makes_room_for_itself() {
        let mut handshakes = handshakes(&["192.0.2.2", "192.0.2.1", "192.0.2.1", "192.0.2.1"]);
        assert_eq!(next(&mut handshakes, "192.0.2.1"), Some(1));
    }

    #[test]
    fn late_ones_are_named_oldest_first() {
        let (mut handshakes, now) = (PendingHandshakes::new(LIMITS), Instant::now());
        handshakes.begin(1, prefix("192.0.2.1"), now);
        handshakes.begin(2, prefix("192.0.2.2"), now + Duration::from_secs(1));
        handshakes.advance(1, Progress::Heard, now);
        assert_eq!(handshakes.late(now + Duration::from_millis(9_999)), None);
        let later = now + Duration::from_secs(11);
        assert_eq!([handshakes.late(later), handshakes.late(later), handshakes.late(later)], [Some(1), Some(2), None]);
        assert!(handshakes.is_empty() && handshakes.oldest_first.is_empty() && handshakes.table.total().holders == 0);
    }
}
