//! Work that waits for its turn, taken in rotation by address prefix.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::shares::PREFIXES_PER_NETWORK;
use crate::{AddressPrefix, Network};

/// Work of many peers, of which one piece is taken at a time.
///
/// Every network has its turn, and in a /48 up to 16 of its /64s; within a prefix every group `G`; within a group the
/// oldest comes first. So the time that a piece waits depends on how many others wait, not on how much each of them
/// has asked for.
#[derive(Debug)]
pub struct FairQueue<G, T> {
    networks: Rotation<Network, Rotation<AddressPrefix, Rotation<G, VecDeque<T>>>>,
    /// Pieces that the network whose turn it is may still have taken; 0: its turn begins.
    turns_left: usize,
    len: usize,
}

impl<G: Copy + Eq + Hash, T> FairQueue<G, T> {
    /// Nothing waits.
    pub fn new() -> Self {
        Self { networks: Rotation::default(), turns_left: 0, len: 0 }
    }

    /// A piece of work of a group of a prefix waits from now on.
    pub fn push(&mut self, prefix: AddressPrefix, group: G, work: T) {
        self.networks.lane(prefix.network()).lane(prefix).lane(group).push_back(work);
        self.len += 1;
    }

    /// A piece of work of a group of a prefix waits from now on, in the place of all others of that group.
    pub fn push_instead(&mut self, prefix: AddressPrefix, group: G, work: T) {
        let lane = self.networks.lane(prefix.network()).lane(prefix).lane(group);
        self.len -= lane.len();
        lane.clear();
        lane.push_back(work);
        self.len += 1;
    }

    /// Takes the piece whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let prefixes = self.networks.front()?;
        if self.turns_left == 0 {
            self.turns_left = prefixes.len().min(PREFIXES_PER_NETWORK);
        }
        let groups = prefixes.front()?;
        let work = groups.front()?.pop_front()?;
        self.len -= 1;

        groups.rotate(VecDeque::is_empty);
        prefixes.rotate(Rotation::is_empty);
        self.turns_left -= 1;
        if self.turns_left == 0 {
            self.networks.rotate(Rotation::is_empty);
        }
        Some(work)
    }

    /// Forgets the pieces that are of no use any more.
    pub fn retain(&mut self, mut is_of_use: impl FnMut(&T) -> bool) {
        let front = self.networks.order.front().copied();
        let mut len = 0;
        self.networks.retain(|prefixes| {
            prefixes.retain(|groups| {
                groups.retain(|work| {
                    work.retain(&mut is_of_use);
                    len += work.len();
                    !work.is_empty()
                });
                !groups.is_empty()
            });
            !prefixes.is_empty()
        });
        self.len = len;

        // The network whose turn it is may have fewer prefixes now, or be gone.
        let is_there = front.is_some() && front == self.networks.order.front().copied();
        let prefixes = self.networks.front().filter(|_| is_there).map_or(0, |prefixes| prefixes.len());
        self.turns_left = self.turns_left.min(prefixes);
    }

    /// Pieces that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<G: Copy + Eq + Hash, T> Default for FairQueue<G, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Lanes that have their turn one after the other.
#[derive(Debug)]
struct Rotation<K, V> {
    order: VecDeque<K>,
    lanes: HashMap<K, V>,
}

impl<K, V> Default for Rotation<K, V> {
    fn default() -> Self {
        Self { order: VecDeque::new(), lanes: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Rotation<K, V> {
    /// The lane of `key`; a new one comes last.
    fn lane(&mut self, key: K) -> &mut V {
        self.lanes.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            V::default()
        })
    }

    /// The lane whose turn it is.
    fn front(&mut self) -> Option<&mut V> {
        self.lanes.get_mut(self.order.front()?)
    }

    /// Puts the first lane last, or removes it when it is empty.
    fn rotate(&mut self, is_empty: impl FnOnce(&V) -> bool) {
        let Some(key) = self.order.pop_front() else { return };
        if self.lanes.get(&key).is_none_or(is_empty) {
            self.lanes.remove(&key);
        } else {
            self.order.push_back(key);
        }
    }

    /// Removes the lanes that are not to be kept.
    fn retain(&mut self, mut is_kept: impl FnMut(&mut V) -> bool) {
        let Self { order, lanes } = self;
        order.retain(|key| {
            let kept = lanes.get_mut(key).is_some_and(&mut is_kept);
            if !kept {
                lanes.remove(key);
            }
            kept
        });
    }

    fn len(&self) -> usize {
        self.order.len()
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// A queue with so many pieces of each address and group, numbered by address.
    fn queue(work: &[(&str, char, usize)]) -> FairQueue<char, String> {
        let mut queue = FairQueue::new();
        for (address, group, count) in work {
            let prefix = AddressPrefix::from(address.parse::<IpAddr>().unwrap());
            (0..*count).for_each(|number| queue.push(prefix, *group, format!("{address} {group}{number}")));
        }
        queue
    }

    fn all(mut queue: FairQueue<char, String>) -> Vec<String> {
        let all: Vec<String> = std::iter::from_fn(|| queue.pop()).collect();
        assert!(queue.is_empty() && queue.networks.is_empty() && queue.networks.lanes.is_empty());
        all
    }

    #[test]
    fn addresses_have_their_turn_whatever_each_has_asked_for() {
        let order = all(queue(&[("192.0.2.1", 'a', 4), ("192.0.2.2", 'a', 1), ("192.0.2.3", 'a', 2)]));
        let expected = ["1 a0", "2 a0", "3 a0", "1 a1", "3 a1", "1 a2", "1 a3"];
        assert_eq!(order, expected.map(|last| format!("192.0.2.{last}")));
    }

    #[test]
    fn groups_of_an_address_have_their_turn() {
        let order = all(queue(&[("192.0.2.1", 'a', 3), ("192.0.2.1", 'b', 1), ("192.0.2.2", 'c', 2)]));
        let expected = ["1 a0", "2 c0", "1 b0", "2 c1", "1 a1", "1 a2"];
        assert_eq!(order, expected.map(|last| format!("192.0.2.{last}")));
    }

    #[test]
    fn a_piece_instead_of_others_has_the_turn_of_their_group() {
        let mut queue = queue(&[("192.0.2.1", 'a', 3), ("192.0.2.1", 'b', 1)]);
        let prefix = AddressPrefix::from("192.0.2.1".parse::<IpAddr>().unwrap());
        queue.push_instead(prefix, 'a', String::from("newest"));
        assert_eq!(queue.len(), 2);
        assert_eq!(all(queue), ["newest", "192.0.2.1 b0"]);
    }

    #[test]
    fn a_48_has_16_turns_for_as_many_of_its_64s_and_one_for_one() {
        let mut queue = queue(&[("192.0.2.1", 'a', 3), ("2001:db8:1::1", 'a', 9)]);
        for subnet in 0..40 {
            let prefix = AddressPrefix::from(format!("2001:db8:0:{subnet:x}::1").parse::<IpAddr>().unwrap());
            queue.push(prefix, 'a', format!("many {subnet}"));
        }
        let order = all(queue);
        let places = |start: &str| -> Vec<usize> {
            let found = order.iter().enumerate().filter(|(_, work)| work.starts_with(start));
            found.map(|(place, _)| place).collect()
        };
        assert_eq!(places("192.0.2.1"), [0, 18, 36]);
        assert_eq!(places("2001:db8:1::1")[..3], [1, 19, 37]);
        assert_eq!(places("many").len(), 40);
    }

    #[test]
    fn what_is_of_no_use_any_more_is_forgotten_and_the_others_keep_their_turns() {
        let mut queue = queue(&[("192.0.2.1", 'a', 2), ("2001:db8::1", 'a', 3), ("2001:db8:0:1::1", 'b', 3)]);
        let first: Vec<_> = (0..2).filter_map(|_| queue.pop()).collect();
        assert_eq!(first, ["192.0.2.1 a0", "2001:db8::1 a0"], "the second prefix of the /48 has its turn now");
        queue.retain(|work| !work.contains(" b"));
        assert_eq!((queue.len(), queue.turns_left), (3, 1));
        assert_eq!(all(queue), ["2001:db8::1 a1", "192.0.2.1 a1", "2001:db8::1 a2"]);
    }

    #[test]
    fn the_next_network_has_its_turn_when_all_of_one_is_forgotten() {
        let mut queue = queue(&[("2001:db8::1", 'a', 2), ("2001:db8:0:1::1", 'a', 2), ("192.0.2.1", 'c', 2)]);
        assert_eq!(queue.pop().as_deref(), Some("2001:db8::1 a0"));
        queue.retain(|work| work.contains('c'));
        assert_eq!((queue.len(), queue.turns_left), (2, 0));
        assert_eq!(all(queue), ["192.0.2.1 c0", "192.0.2.1 c1"]);
    }

    proptest! {
        #[test]
        fn nothing_else_is_lost_and_a_group_keeps_its_order(
            steps in prop::collection::vec(prop::option::weighted(0.6, (0..6u64, 0..4u8)), 0..200),
        ) {
            let (mut queue, mut pushed, mut popped) = (FairQueue::new(), Vec::new(), Vec::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    // All that wait of this place are forgotten.
                    Some((place, 3)) => {
                        queue.retain(|(of, _, _)| *of != place);
                        pushed.retain(|work: &(u64, u8, usize)| work.0 != place || popped.contains(work));
                    }
                    // It takes the place of its group's others.
                    Some((place, 2)) => {
                        queue.push_instead(AddressPrefix::of_upper(place << 15), 2, (place, 2, number));
                        pushed.retain(|work: &(u64, u8, usize)| (work.0, work.1) != (place, 2) || popped.contains(work));
                        pushed.push((place, 2, number));
                    }
                    Some((place, group)) => {
                        queue.push(AddressPrefix::of_upper(place << 15), group, (place, group, number));
                        pushed.push((place, group, number));
                    }
                    None => popped.extend(queue.pop()),
                }
                prop_assert_eq!(queue.len(), pushed.len() - popped.len());
            }
            popped.extend(std::iter::from_fn(|| queue.pop()));
            // Sorted by place and group alone: what remains of the order is that of each group.
            popped.sort_by_key(|(place, group, _)| (*place, *group));
            pushed.sort_by_key(|(place, group, _)| (*place, *group));
            prop_assert_eq!(popped, pushed);
        }
    }
}
