//! Bounds on handshakes in progress: their number, their time, and what they may cost per second.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Bounds on handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Handshakes in progress. Beyond that the oldest makes room for the newest.
    pub at_once: usize,
    /// Those of one address. Beyond that its own oldest makes room.
    pub per_address: usize,
    /// For how long one may take.
    pub time: Duration,
    /// How many Diffie-Hellman handshakes may be computed in a second, on average, for opens, and as many for resumes; a
    /// tenth of a second's may come at once, and always one.
    pub per_second: u32,
}

/// Handshakes in progress: `K` is how the owner knows them, `A` what counts as one address.
#[derive(Debug)]
pub struct Handshakes<K, A> {
    limits: HandshakeLimits,
    /// By number, which is by age.
    running: BTreeMap<u64, Running<K, A>>,
    numbers: HashMap<K, u64>,
    by_address: HashMap<A, usize>,
    begun: u64,
    opens: Budget,
    /// Of their own: anybody may open, but only the owner of a session gets as far as this, and must not be kept out.
    resumes: Budget,
}

/// Time for Diffie-Hellmans.
#[derive(Debug)]
struct Budget {
    /// Time that may be spent, if a second is there for `per_second` handshakes.
    credit: Duration,
    credit_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Running<K, A> {
    key: K,
    address: A,
    since: Instant,
}

impl<K: Copy + Eq + Hash, A: Copy + Eq + Hash> Handshakes<K, A> {
    /// None is in progress.
    pub fn new(limits: HandshakeLimits, now: Instant) -> Self {
        Self {
            limits,
            running: BTreeMap::new(),
            numbers: HashMap::new(),
            by_address: HashMap::new(),
            begun: 0,
            opens: Budget::new(now),
            resumes: Budget::new(now),
        }
    }

    /// A handshake begins. Returns the one that has to end for it, if any.
    pub fn begin(&mut self, key: K, address: A, now: Instant) -> Option<K> {
        let from_there = self.by_address.get(&address).copied().unwrap_or_default();
        let dropped = if from_there >= self.limits.per_address {
            self.running.values().find(|running| running.address == address)
        } else if self.running.len() >= self.limits.at_once {
            self.running.values().next()
        } else {
            None
        };
        let dropped = dropped.map(|running| running.key);
        if let Some(dropped) = dropped {
            self.end(dropped);
        }
        self.begun += 1;
        self.running.insert(self.begun, Running { key, address, since: now });
        self.numbers.insert(key, self.begun);
        *self.by_address.entry(address).or_insert(0) += 1;
        dropped
    }

    /// A handshake has ended, well or not.
    pub fn end(&mut self, key: K) {
        let Some(running) = self.numbers.remove(&key).and_then(|number| self.running.remove(&number)) else { return };
        if let Some(from_there) = self.by_address.get_mut(&running.address) {
            *from_there -= 1;
            if *from_there == 0 {
                self.by_address.remove(&running.address);
            }
        }
    }

    /// Ends the oldest handshake that has taken too long, and says which; call it until there is none.
    pub fn late(&mut self, now: Instant) -> Option<K> {
        let (_, oldest) = self.running.first_key_value()?;
        let late = now.saturating_duration_since(oldest.since) >= self.limits.time;
        let key = late.then_some(oldest.key)?;
        self.end(key);
        Some(key)
    }

    /// When the oldest is late.
    pub fn next_late(&self) -> Option<Instant> {
        self.running.first_key_value().map(|(_, oldest)| oldest.since + self.limits.time)
    }

    /// Whether there is time for an open's Diffie-Hellman now; if so, it is spent.
    pub fn afford(&mut self, now: Instant) -> bool {
        self.opens.afford(now, self.limits.per_second)
    }

    /// The same for a resume's.
    pub fn afford_resume(&mut self, now: Instant) -> bool {
        self.resumes.afford(now, self.limits.per_second)
    }

    /// Handshakes in progress.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

impl Budget {
    const BURST: Duration = Duration::from_millis(100);

    /// All is there that may be spent at once.
    const fn new(now: Instant) -> Self {
        Self { credit: Duration::MAX, credit_at: now }
    }

    fn afford(&mut self, now: Instant, per_second: u32) -> bool {
        let Some(cost) = Duration::from_secs(1).checked_div(per_second) else { return false };
        let earned = now.saturating_duration_since(self.credit_at);
        self.credit_at = self.credit_at.max(now);
        self.credit = self.credit.saturating_add(earned).min(Self::BURST.max(cost));
        let left = self.credit.checked_sub(cost);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HandshakeLimits =
        HandshakeLimits { at_once: 3, per_address: 2, time: Duration::from_secs(10), per_second: 50 };

    #[test]
    fn the_oldest_makes_room() {
        let now = Instant::now();
        let mut handshakes = Handshakes::new(LIMITS, now);
        assert_eq!([(1, 'a'), (2, 'b'), (3, 'c')].map(|(key, from)| handshakes.begin(key, from, now)), [None; 3]);
        assert_eq!(handshakes.begin(4, 'd', now), Some(1));
        assert_eq!(handshakes.len(), 3);
    }

    #[test]
    fn an_address_makes_room_for_itself() {
        let now = Instant::now();
        let mut handshakes = Handshakes::new(LIMITS, now);
        assert_eq!([(1, 'b'), (2, 'a'), (3, 'a')].map(|(key, from)| handshakes.begin(key, from, now)), [None; 3]);
        assert_eq!(handshakes.begin(4, 'a', now), Some(2), "and not 1, which is older");
    }

    #[test]
    fn late_ones_are_named_oldest_first() {
        let now = Instant::now();
        let mut handshakes = Handshakes::new(LIMITS, now);
        handshakes.begin(1, 'a', now);
        handshakes.begin(2, 'b', now + Duration::from_secs(1));
        assert_eq!(handshakes.next_late(), Some(now + LIMITS.time));
        assert_eq!(handshakes.late(now + Duration::from_millis(9_999)), None);
        let later = now + Duration::from_secs(11);
        assert_eq!([handshakes.late(later), handshakes.late(later), handshakes.late(later)], [Some(1), Some(2), None]);
        assert!(handshakes.is_empty() && handshakes.by_address.is_empty() && handshakes.numbers.is_empty());
    }

    #[test]
    fn only_so_many_are_computed_in_a_second() {
        let now = Instant::now();
        let mut handshakes: Handshakes<u32, char> = Handshakes::new(LIMITS, now);
        let afforded = (0..4000).filter(|tick| handshakes.afford(now + Duration::from_millis(*tick))).count();
        assert!((200..=205).contains(&afforded), "{afforded} in four seconds");
        assert!(!handshakes.afford(now) && handshakes.afford_resume(now), "resumes do not pay for opens");
        assert!(!Handshakes::<u32, char>::new(HandshakeLimits { per_second: 0, ..LIMITS }, now).afford(now));
    }

    #[test]
    fn few_in_a_second_are_as_many_as_are_asked_for() {
        for per_second in 1..=20 {
            let now = Instant::now();
            let mut handshakes: Handshakes<u32, char> = Handshakes::new(HandshakeLimits { per_second, ..LIMITS }, now);
            assert!(handshakes.afford(now), "{per_second} in a second");
            let afforded = (1..=10_000).filter(|tick| handshakes.afford(now + Duration::from_millis(*tick))).count();
            let expected = 10 * per_second as usize;
            assert!((expected - 1..=expected + 1).contains(&afforded), "{per_second} in a second, {afforded} in ten");
        }
    }
}
