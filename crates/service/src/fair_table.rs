//! The holders of a bounded resource, and which of them gives way first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::{AddressPrefix, Network, Share, Shares};

/// The holders of a resource that is bounded for all of them: `K` names a holder, `O` orders the holders of a prefix.
///
/// The holder that gives way first belongs to the network with the largest share, in there to the prefix that holds
/// most, and is the lowest by `O` of these. So whoever takes much loses his own before anybody else does. Between equal
/// shares `O` decides.
///
/// Adding, changing and removing a holder take time that grows with the logarithm of the number of holders.
#[derive(Debug)]
pub struct FairTable<K, O> {
    holders: HashMap<K, Holder<O>>,
    shares: Shares,
    holder_bytes: usize,
    /// The holders of each prefix, lowest first.
    queues: BTreeSet<(AddressPrefix, First<K, O>)>,
    /// The prefixes of each network, the largest first.
    prefixes: BTreeSet<PrefixRow<K, O>>,
    /// The networks, the one with the largest share first.
    networks: BTreeSet<NetworkRow<K, O>>,
}

/// The lowest holder of a prefix. `None` is below each of them, and never stored.
type First<K, O> = Option<(O, K)>;
type PrefixRow<K, O> = (Network, Reverse<usize>, First<K, O>, AddressPrefix);
type NetworkRow<K, O> = (Reverse<usize>, First<K, O>, Network);

#[derive(Clone, Copy, Debug)]
struct Holder<O> {
    prefix: AddressPrefix,
    order: O,
    bytes: usize,
}

impl<K: Copy + Ord + Hash, O: Copy + Ord> FairTable<K, O> {
    /// An empty table. To compare shares, each holder counts as `holder_bytes` beside the bytes that it holds.
    pub fn new(holder_bytes: usize) -> Self {
        Self {
            holders: HashMap::new(),
            shares: Shares::default(),
            holder_bytes,
            queues: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            networks: BTreeSet::new(),
        }
    }

    /// Adds a holder, or changes what is known of it.
    pub fn insert(&mut self, key: K, prefix: AddressPrefix, order: O, bytes: usize) {
        self.remove(key);
        self.holders.insert(key, Holder { prefix, order, bytes });

        self.unrank(prefix);
        self.queues.insert((prefix, Some((order, key))));
        self.shares.add(prefix, bytes);
        self.rank(prefix);
    }

    /// Removes a holder; false if there is none of that name.
    pub fn remove(&mut self, key: K) -> bool {
        let Some(Holder { prefix, order, bytes }) = self.holders.remove(&key) else { return false };

        self.unrank(prefix);
        self.queues.remove(&(prefix, Some((order, key))));
        self.shares.remove(prefix, bytes);
        self.rank(prefix);
        true
    }

    /// The share to compare with a bound per address; see [`Shares::of`].
    pub fn share(&self, prefix: AddressPrefix) -> Share {
        self.shares.of(prefix)
    }

    /// What all holders hold.
    pub const fn total(&self) -> Share {
        self.shares.total()
    }

    /// The holder that gives way when there are too many, or too much is held.
    pub fn first_to_yield(&self) -> Option<K> {
        let (_, first, _) = self.networks.first()?;
        first.map(|(_, key)| key)
    }

    /// The holder that gives way when the share of a prefix is too large: of the prefix itself, or of a /48 that holds
    /// too much, of the prefix there that holds most.
    pub fn first_to_yield_for(&self, prefix: AddressPrefix) -> Option<K> {
        let network = prefix.network();
        let itself = self.size(self.shares.held_by(prefix));
        let first = if itself >= self.size(self.shares.of_network(network)) {
            self.first_of_prefix(prefix)
        } else {
            self.first_of_network(network)
        };
        first.map(|(_, key)| key)
    }

    /// Puts a prefix and its network where they belong by what they hold now.
    fn rank(&mut self, prefix: AddressPrefix) {
        let network = prefix.network();
        if let Some(row) = self.prefix_row(prefix) {
            self.prefixes.insert(row);
        }
        if let Some(row) = self.network_row(network) {
            self.networks.insert(row);
        }
    }

    /// Takes them out of the order; before what they hold changes.
    fn unrank(&mut self, prefix: AddressPrefix) {
        if let Some(row) = self.network_row(prefix.network()) {
            self.networks.remove(&row);
        }
        if let Some(row) = self.prefix_row(prefix) {
            self.prefixes.remove(&row);
        }
    }

    fn prefix_row(&self, prefix: AddressPrefix) -> Option<PrefixRow<K, O>> {
        let first = self.first_of_prefix(prefix)?;
        let size = self.size(self.shares.held_by(prefix));
        Some((prefix.network(), Reverse(size), Some(first), prefix))
    }

    fn network_row(&self, network: Network) -> Option<NetworkRow<K, O>> {
        let (_, Reverse(largest), first, _) = self.largest_prefix(network)?;
        let size = self.size(self.shares.of_network(network)).max(*largest);
        Some((Reverse(size), *first, network))
    }

    fn largest_prefix(&self, network: Network) -> Option<&PrefixRow<K, O>> {
        let lowest = (network, Reverse(usize::MAX), None, AddressPrefix::MIN);
        self.prefixes.range(lowest..).next().filter(|row| row.0 == network)
    }

    fn first_of_network(&self, network: Network) -> First<K, O> {
        self.largest_prefix(network).and_then(|(_, _, first, _)| *first)
    }

    fn first_of_prefix(&self, prefix: AddressPrefix) -> First<K, O> {
        let (of, first) = self.queues.range((prefix, None)..).next()?;
        first.filter(|_| *of == prefix)
    }

    /// By which shares are compared.
    const fn size(&self, share: Share) -> usize {
        share.bytes + share.holders * self.holder_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn prefix(address: &str) -> AddressPrefix {
        AddressPrefix::from(address.parse::<IpAddr>().unwrap())
    }

    /// Holders without bytes, numbered in the order in which they came.
    fn table(addresses: &[&str]) -> FairTable<usize, usize> {
        let mut table = FairTable::new(1);
        for (number, address) in addresses.iter().enumerate() {
            table.insert(number, prefix(address), number, 0);
        }
        table
    }

    #[test]
    fn the_oldest_of_the_prefix_that_has_most_gives_way() {
        let table = table(&["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(table.first_to_yield(), Some(1), "0 is older, and alone");
    }

    #[test]
    fn between_equals_the_oldest_of_all_gives_way() {
        let mut table = table(&["192.0.2.9", "2001:db8::1", "192.0.2.1"]);
        assert_eq!(table.first_to_yield(), Some(0));
        table.remove(0);
        assert_eq!(table.first_to_yield(), Some(1));
        table.remove(1);
        assert_eq!(table.first_to_yield(), Some(2));
        table.remove(2);
        assert_eq!(table.first_to_yield(), None);
    }

    #[test]
    fn bytes_weigh_more_than_holders() {
        let mut table = table(&["192.0.2.1", "192.0.2.1", "192.0.2.2"]);
        table.insert(2, prefix("192.0.2.2"), 2, 100);
        assert_eq!(table.first_to_yield(), Some(2));
        assert_eq!(table.total(), Share { holders: 3, bytes: 100 });
    }

    #[test]
    fn who_takes_a_new_64_each_time_gives_way_as_a_48() {
        let mut table = table(&["192.0.2.1", "192.0.2.1"]);
        for number in 2..50 {
            table.insert(number, prefix(&format!("2001:db8:0:{number:x}::1")), number, 0);
        }
        assert_eq!(table.first_to_yield(), Some(2), "48 prefixes of the /48 count as 3");
        assert_eq!(table.share(prefix("2001:db8:0:fffe::1")).holders, 3);
        assert_eq!(table.first_to_yield_for(prefix("2001:db8:0:fffe::1")), Some(2));
        assert_eq!(table.first_to_yield_for(prefix("192.0.2.1")), Some(0));
    }

    #[test]
    fn a_prefix_that_has_too_much_gives_way_itself() {
        let table = table(&["192.0.2.2", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8:0:1::1"]);
        assert_eq!(table.first_to_yield_for(prefix("192.0.2.1")), Some(2));
        assert_eq!(table.first_to_yield_for(prefix("2001:db8:0:1::1")), Some(4), "and no other of its /48");
        assert_eq!(table.first_to_yield_for(prefix("192.0.2.3")), None);
    }

    #[test]
    fn a_changed_order_changes_who_gives_way() {
        let mut table = table(&["192.0.2.1", "192.0.2.1"]);
        table.insert(0, prefix("192.0.2.1"), 7, 0);
        assert_eq!((table.first_to_yield(), table.total().holders), (Some(1), 2));
    }

    proptest! {
        #[test]
        fn the_first_to_yield_is_what_a_look_at_all_holders_says(
            steps in prop::collection::vec((any::<bool>(), 0..20usize, 0..8u32, 0..10usize, 0..500usize), 0..120),
        ) {
            let mut table = FairTable::new(10);
            for (insert, key, place, order, bytes) in steps {
                // Two IPv4 addresses, and three /64s in each of two /48s.
                let prefix = match place {
                    0..2 => AddressPrefix::V4(Ipv4Addr::from_bits(place)),
                    2..5 => AddressPrefix::of_upper(place.into()),
                    _ => AddressPrefix::of_upper(1 << 16 | u64::from(place)),
                };
                match insert {
                    true => table.insert(key, prefix, order, bytes),
                    false => drop(table.remove(key)),
                }
                prop_assert_eq!(table.first_to_yield(), first_by_looking(&table));
                prop_assert_eq!(table.queues.len(), table.holders.len());
                prop_assert_eq!(table.total().bytes, table.holders.values().map(|holder| holder.bytes).sum::<usize>());
            }
            for key in 0..20 {
                table.remove(key);
            }
            prop_assert!(table.prefixes.is_empty() && table.networks.is_empty() && table.queues.is_empty());
        }
    }

    fn first_by_looking(table: &FairTable<usize, usize>) -> Option<usize> {
        let size = |which: &dyn Fn(&Holder<usize>) -> bool| -> (usize, usize) {
            let found: Vec<_> = table.holders.values().filter(|holder| which(holder)).collect();
            (found.len(), found.iter().map(|holder| holder.bytes).sum())
        };
        let of_prefix = |prefix: AddressPrefix| {
            let (holders, bytes) = size(&|holder| holder.prefix == prefix);
            bytes + 10 * holders
        };
        let of_network = |network: Network| {
            let (holders, bytes) = size(&|holder| holder.prefix.network() == network);
            let parts = if matches!(network, Network::V4(_)) { 1 } else { 16 };
            let largest = table.holders.values().filter(|holder| holder.prefix.network() == network);
            let largest = largest.map(|holder| of_prefix(holder.prefix)).max().unwrap_or(0);
            largest.max(bytes / parts + 10 * (holders / parts))
        };
        // The lowest holder of the largest prefix of each network; then the lowest of these among the largest networks.
        let lowest_in = |network: Network| {
            let holders = table.holders.iter().filter(|(_, holder)| holder.prefix.network() == network);
            holders.map(|(key, holder)| (Reverse(of_prefix(holder.prefix)), holder.order, *key)).min()
        };
        let networks = table.holders.values().map(|holder| holder.prefix.network());
        let ranked = networks.filter_map(|network| {
            let (_, order, key) = lowest_in(network)?;
            Some((Reverse(of_network(network)), order, key))
        });
        ranked.min().map(|(_, _, key)| key)
    }
}
