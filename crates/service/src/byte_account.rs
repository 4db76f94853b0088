//! The bytes that a process holds for its links, bounded for all of them together.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::{AddressPrefix, Shares};

/// A holder that got rid of nothing for this long has stalled. It is more than a round trip takes, so that a burst that
/// everybody is about to take closes nobody.
const STALLED: Duration = Duration::from_secs(1);

/// An account of the bytes that are held for all links of a process.
///
/// ```text
///   0 ......... 3/8 ......... 1/2 ..................... bound
///               │             └ the account is short: readers are paused, and holders that have stalled are closed
///               └ readers go on
/// ```
///
/// Paused readers add nothing, and those who hold little add an eighth of the bound at most, so what is held stays below the
/// bound. Should it exceed that all the same, the largest holders are closed as well.
#[derive(Debug)]
pub struct ByteAccount {
    held: AtomicUsize,
    short: AtomicBool,
    bound: AtomicUsize,
}

/// A link that bytes are held for, as [`ByteAccount::first_to_close`] looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteHolder<K> {
    /// Names it.
    pub key: K,
    /// Where its peer is.
    pub prefix: AddressPrefix,
    /// Bytes that are held for it.
    pub bytes: usize,
    /// For how long the oldest of these have been held, as far as is known: not longer.
    pub age: Duration,
}

impl ByteAccount {
    /// An empty account. A `bound` of `usize::MAX` is none.
    pub const fn new(bound: usize) -> Self {
        Self { held: AtomicUsize::new(0), short: AtomicBool::new(false), bound: AtomicUsize::new(bound) }
    }

    /// The bound in bytes.
    pub fn bound(&self) -> usize {
        self.bound.load(Relaxed)
    }

    /// Changes the bound. What follows from it shows when the account changes next, or is looked at again.
    pub fn set_bound(&self, bound: usize) {
        self.bound.store(bound, Relaxed);
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Whether so much is held that readers are paused.
    #[inline]
    pub fn is_short(&self) -> bool {
        self.short.load(Relaxed)
    }

    /// Bytes that each of so many links may still take in while the account is short.
    pub fn pause_share(&self, links: usize) -> usize {
        self.bound() / 8 / links.max(1)
    }

    /// Bytes that each of so many links may hold however much the others do: nobody who holds no more is closed. When the
    /// account is short, somebody holds more.
    fn equal_share(&self, links: usize) -> usize {
        self.low_water() / links.max(1)
    }

    /// Takes so many bytes more, or fewer, into account; 0 only looks again. True: readers that were paused go on, and the
    /// caller has to tell them.
    #[must_use]
    pub fn add(&self, change: isize) -> bool {
        // Wraps around for a negative change, and back again.
        let change = change.cast_unsigned();
        let held = self.held.fetch_add(change, Relaxed).wrapping_add(change);
        if held > self.high_water() {
            self.short.store(true, Relaxed);
            return false;
        }
        held <= self.low_water() && self.is_short() && self.short.swap(false, Relaxed)
    }

    /// The holders that have to be closed now, among `holders` of `links` links. First those that have stalled, the longest
    /// first, until readers can go on; then, while more is held than the bound allows, the largest. Between equals those
    /// of the address prefix with most bytes go first.
    pub fn first_to_close<K: Copy>(&self, holders: &[ByteHolder<K>], links: usize) -> Vec<K> {
        let held = self.held();
        if held <= self.high_water() && !self.is_short() {
            return Vec::new();
        }

        let share = self.equal_share(links);
        let mut by_prefix = Shares::default();
        holders.iter().for_each(|holder| by_prefix.add(holder.prefix, holder.bytes));
        let there = |holder: &ByteHolder<K>| by_prefix.of(holder.prefix).bytes;

        let large = holders.iter().filter(|holder| holder.bytes > share);
        let (mut stalled, mut others): (Vec<&ByteHolder<K>>, Vec<_>) = large.partition(|holder| holder.age >= STALLED);
        stalled.sort_by_key(|holder| Reverse((holder.age.as_secs(), there(holder), holder.bytes)));
        others.sort_by_key(|holder| Reverse((holder.bytes, there(holder))));

        let mut left = held;
        let mut closed = take_while_above(&mut left, self.low_water(), stalled);
        closed.extend(take_while_above(&mut left, self.bound(), others));
        closed
    }

    fn high_water(&self) -> usize {
        self.bound() / 2
    }

    fn low_water(&self) -> usize {
        self.bound() / 8 * 3
    }
}

/// The first of `holders`, as many as it takes until no more than `most` is left.
fn take_while_above<K: Copy>(left: &mut usize, most: usize, holders: Vec<&ByteHolder<K>>) -> Vec<K> {
    let mut taken = Vec::new();
    for holder in holders {
        if *left <= most {
            break;
        }
        *left = left.saturating_sub(holder.bytes);
        taken.push(holder.key);
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const BOUND: usize = 800;

    fn holder(key: u32, place: u8, bytes: usize, seconds: u64) -> ByteHolder<u32> {
        let prefix = AddressPrefix::from(IpAddr::from(Ipv4Addr::new(10, 0, 0, place)));
        ByteHolder { key, prefix, bytes, age: Duration::from_secs(seconds) }
    }

    /// Who is closed of these holders, among `links` links, when the account holds what they do.
    fn closed(holders: &[ByteHolder<u32>], links: usize) -> Vec<u32> {
        let account = ByteAccount::new(BOUND);
        let held: usize = holders.iter().map(|holder| holder.bytes).sum();
        let _ = account.add(held.cast_signed());
        account.first_to_close(holders, links)
    }

    #[test]
    fn readers_are_paused_above_half_of_the_bound_and_go_on_at_three_eighths() {
        let account = ByteAccount::new(BOUND);
        for (change, go_on, short) in [
            (400, false, false),
            (1, false, true),
            (0, false, true),
            (-100, false, true),
            (-1, true, false),
            (0, false, false),
            (100, false, false),
            (500, false, true),
            (-900, true, false),
        ] {
            assert_eq!((account.add(change), account.is_short()), (go_on, short), "{change}");
        }
        assert_eq!(account.held(), 0);
    }

    #[test]
    fn a_bound_that_changes_holds_from_the_next_look_on() {
        let account = ByteAccount::new(BOUND);
        assert!(!account.add(300));
        account.set_bound(400);
        assert_eq!((account.add(0), account.is_short()), (false, true));
        account.set_bound(usize::MAX);
        assert_eq!((account.add(0), account.is_short()), (true, false), "readers go on");
    }

    #[test]
    fn an_account_without_a_bound_is_never_short() {
        let account = ByteAccount::new(usize::MAX);
        assert!(!account.add(1 << 50) && !account.is_short());
        assert!(account.first_to_close(&[holder(1, 1, 1 << 50, 60)], 1).is_empty());
    }

    #[test]
    fn nobody_is_closed_up_to_half_of_the_bound() {
        assert_eq!(closed(&[holder(1, 1, 400, 60)], 1), [] as [u32; 0]);
    }

    #[test]
    fn who_has_stalled_longest_goes_first_until_readers_can_go_on() {
        let holders = [holder(1, 1, 60, 9), holder(2, 2, 60, 11), holder(3, 3, 60, 10), holder(4, 4, 250, 2)];
        assert_eq!(closed(&holders, 10), [2, 3, 1]);
    }

    #[test]
    fn who_makes_progress_stays_below_the_bound() {
        assert_eq!(closed(&[holder(1, 1, 390, 0), holder(2, 2, 400, 0)], 2), [] as [u32; 0]);
        assert_eq!(closed(&[holder(1, 1, 390, 0), holder(2, 2, 400, 1)], 2), [2]);
    }

    #[test]
    fn beyond_the_bound_the_largest_goes_however_young() {
        let holders = [holder(1, 1, 400, 0), holder(2, 2, 450, 0), holder(3, 3, 100, 0)];
        assert_eq!(closed(&holders, 3), [2]);
        let holders = [holder(1, 1, 900, 0), holder(2, 2, 310, 3), holder(3, 3, 10, 90)];
        assert_eq!(closed(&holders, 3), [2, 1], "the stalled one, and then the largest");
    }

    #[test]
    fn an_equal_share_is_never_closed_however_old() {
        let mut holders: Vec<_> = (0..9).map(|key| holder(key, 1, 30, 90)).collect();
        holders.push(holder(9, 9, 300, 1));
        assert_eq!(closed(&holders, 10), [9]);
    }

    #[test]
    fn when_the_account_is_short_somebody_holds_more_than_an_equal_share() {
        for links in 1..50 {
            let even = BOUND.div_ceil(2 * links) + 1;
            let holders: Vec<_> = (0..).take(links).map(|key| holder(key, 1, even, 5)).collect();
            assert!(!closed(&holders, links).is_empty(), "{links}");
        }
    }

    #[test]
    fn between_equals_the_prefix_with_most_bytes_goes_first() {
        let one_place = [holder(1, 7, 100, 5), holder(2, 7, 100, 5), holder(3, 7, 100, 5)];
        let alone = holder(4, 8, 150, 5);
        assert_eq!(closed(&[&[alone][..], &one_place].concat(), 9), [1, 2]);
    }
}
