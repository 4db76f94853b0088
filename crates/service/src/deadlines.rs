//! The deadlines of many holders, to within a tick.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A deadline is reported up to one tick late, and never early.
pub const TICK: Duration = Duration::from_millis(TICK_MILLIS);
const TICK_MILLIS: u64 = 10;
/// Slots of the wheel, one per tick: each deadline up to 5 s ahead has a slot of its own.
const SLOTS: usize = WORDS * WORD_BITS;
const WORDS: usize = 8;
const WORD_BITS: usize = u64::BITS as usize;
/// Entries for which an emptied slot keeps room.
const KEPT_ENTRIES: usize = 16;
/// Keys for which there is room kept once all that were due are reported: those of some ticks of a busy holder.
const KEPT_DUE: usize = 256;

/// A timing wheel: one slot per tick, used again every 512 ticks.
///
/// To set a deadline and to report it take constant time. Deadlines are not cancelled: the owner of a key knows whether it
/// still matters, and sets a later deadline if it has moved.
#[derive(Debug)]
pub struct Deadlines<K> {
    started: Instant,
    slots: Box<[Vec<Entry<K>>]>,
    /// One bit per slot: whether it holds anything.
    occupied: [u64; WORDS],
    /// The first tick whose slot was not emptied yet.
    next: u64,
    /// Taken from their slots, and not reported yet.
    due: VecDeque<K>,
}

#[derive(Debug)]
struct Entry<K> {
    /// When it is due. The wheel may have to go round several times before that.
    tick: u64,
    key: K,
}

impl<K> Deadlines<K> {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            next: 0,
            due: VecDeque::new(),
        }
    }

    /// Has `key` reported once `at` is past.
    pub fn set(&mut self, at: Instant, key: K) {
        let elapsed = at.saturating_duration_since(self.started).as_nanos();
        let tick = u64::try_from(elapsed.div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX).max(self.next);
        let index = slot_of(tick);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.push(Entry { tick, key });
        }
        self.mark(index, true);
    }

    /// Takes the next key whose deadline is past: the one with the earliest tick, and of these the one that was set first.
    /// A deadline that is set meanwhile is reported at a later tick, however early it is: to pop until nothing is left ends.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let ticks = now.saturating_duration_since(self.started).as_nanos() / TICK.as_nanos();
        let last = u64::try_from(ticks).unwrap_or(u64::MAX);
        while self.next <= last {
            match self.next_occupied().filter(|tick| *tick <= last) {
                Some(tick) => self.empty_slot(tick),
                None => self.next = last.saturating_add(1),
            }
        }
        let due = self.due.pop_front();
        if due.is_none() {
            // A burst must not keep its memory for ever.
            self.due.shrink_to(KEPT_DUE);
        }
        due
    }

    /// When to call [`pop`](Self::pop) next: at the earliest deadline or before it. `None` without deadlines.
    pub fn wake_at(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(self.started);
        }
        let tick = self.next_occupied()?;
        self.started.checked_add(Duration::from_millis(tick.saturating_mul(TICK_MILLIS)))
    }

    /// Takes what is due at `tick` from its slot. What is due in a later round stays.
    fn empty_slot(&mut self, tick: u64) {
        self.next = tick.saturating_add(1);
        let index = slot_of(tick);
        let Some(slot) = self.slots.get_mut(index) else { return };
        self.due.extend(slot.extract_if(.., |entry| entry.tick <= tick).map(|entry| entry.key));
        if slot.is_empty() {
            slot.shrink_to(KEPT_ENTRIES);
            self.mark(index, false);
        }
    }

    /// The first tick from `next` on whose slot holds anything.
    fn next_occupied(&self) -> Option<u64> {
        let start = slot_of(self.next);
        let (word, bit) = (start / WORD_BITS, start % WORD_BITS);
        // The word that is begun with is looked at twice: its upper bits first, its lower ones after a whole round.
        let from_start = !0 << bit;
        let masks = [from_start].into_iter().chain([!0; WORDS - 1]).chain([!from_start]);
        (0..).zip(masks).find_map(|(further, mask)| {
            let bits = self.occupied.get((word + further) % WORDS)? & mask;
            (bits != 0).then(|| {
                let ahead = further * WORD_BITS + bits.trailing_zeros() as usize - bit;
                self.next.saturating_add(ahead as u64)
            })
        })
    }

    fn mark(&mut self, index: usize, is_occupied: bool) {
        if let Some(word) = self.occupied.get_mut(index / WORD_BITS) {
            let bit = 1 << (index % WORD_BITS);
            *word = if is_occupied { *word | bit } else { *word & !bit };
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of slots")]
const fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn all_due(deadlines: &mut Deadlines<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| deadlines.pop(now)).collect()
    }

    #[test]
    fn a_deadline_is_reported_once_within_a_tick_and_never_early() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        deadlines.set(start + millis(25), 1);
        assert_eq!(deadlines.wake_at(), Some(start + millis(30)));
        assert_eq!(deadlines.pop(start + millis(29)), None);
        assert_eq!(deadlines.pop(start + millis(30)), Some(1));
        assert_eq!((deadlines.pop(start + millis(60)), deadlines.wake_at()), (None, None));
    }

    #[test]
    fn a_deadline_that_is_past_is_due_at_once() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        assert_eq!(deadlines.pop(start + millis(1000)), None);
        deadlines.set(start, 1);
        let next_tick = start + millis(1010);
        assert_eq!((deadlines.wake_at(), deadlines.pop(next_tick)), (Some(next_tick), Some(1)));
    }

    #[test]
    fn a_deadline_beyond_the_wheel_waits_for_its_round() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        let far = start + 3 * TICK * 512 + millis(70);
        deadlines.set(far, 2);
        deadlines.set(start + millis(70), 1);
        assert_eq!(all_due(&mut deadlines, start + millis(100)), [1]);

        let mut wakes = 0;
        while deadlines.pop(far - millis(1)).is_none() && deadlines.wake_at() != Some(far) {
            wakes += 1;
            assert!(wakes < 5, "one wake a round");
        }
        assert_eq!(all_due(&mut deadlines, far), [2]);
    }

    #[test]
    fn those_of_a_tick_come_in_the_order_in_which_they_were_set() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        for (at, key) in [(45, 3), (11, 1), (42, 4), (19, 2)] {
            deadlines.set(start + millis(at), key);
        }
        assert_eq!(all_due(&mut deadlines, start + millis(50)), [1, 2, 3, 4]);
    }

    #[test]
    fn a_burst_leaves_little_memory_behind() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        (0..100_000).for_each(|key| deadlines.set(start + millis(25), key));
        assert_eq!(all_due(&mut deadlines, start + millis(30)).len(), 100_000);
        let slots: usize = deadlines.slots.iter().map(Vec::capacity).sum();
        assert!(slots <= KEPT_ENTRIES && deadlines.due.capacity() <= KEPT_DUE);

        let few = deadlines.due.capacity();
        deadlines.set(start + millis(45), 1);
        assert_eq!(all_due(&mut deadlines, start + millis(50)), [1]);
        assert_eq!(deadlines.due.capacity(), few, "what is used again and again stays");
    }

    proptest! {
        #[test]
        fn deadlines_are_reported_in_their_tick_and_the_wake_up_is_never_late(
            steps in prop::collection::vec((0..3000_u64, prop::collection::vec(0..20_000_u64, 0..8)), 0..40),
        ) {
            let start = Instant::now();
            let (mut deadlines, mut pending, mut now, mut number) = (Deadlines::new(start), Vec::new(), start, 0);
            for (step, set) in steps {
                let earliest = pending.iter().map(|(at, _)| *at).min();
                prop_assert_eq!(deadlines.wake_at().is_some(), earliest.is_some());
                prop_assert!(deadlines.wake_at().is_none_or(|wake_at| wake_at <= earliest.unwrap() + TICK));

                now += millis(step);
                let due = all_due(&mut deadlines, now);
                let reported: Vec<_> = pending.extract_if(.., |(_, number)| due.contains(number)).collect();
                prop_assert_eq!(reported.len(), due.len(), "each is reported once");
                prop_assert!(reported.iter().all(|(at, _)| *at <= now), "early");
                prop_assert!(pending.iter().all(|(at, _)| *at + TICK > now), "late");

                for ahead in set {
                    number += 1;
                    pending.push((now + millis(ahead), number));
                    deadlines.set(now + millis(ahead), number);
                }
            }
        }
    }
}
