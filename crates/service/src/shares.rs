//! How much of a bounded resource each address prefix holds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::{AddAssign, SubAssign};

use crate::{AddressPrefix, Network};

/// A /48 may hold as much as this many of its /64s. A provider hands out /48s, and whoever has one has 65,536 /64s.
pub(crate) const PREFIXES_PER_NETWORK: usize = 16;

/// Part of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Holders: links, handshakes, sessions.
    pub holders: usize,
    /// Bytes that these hold.
    pub bytes: usize,
}

/// What each address prefix holds of a resource that is bounded for every one of them.
#[derive(Debug, Default)]
pub struct Shares {
    by_prefix: HashMap<AddressPrefix, Share>,
    by_network: HashMap<Network, Share>,
    total: Share,
}

impl Shares {
    /// One more holder, with `bytes`.
    pub fn add(&mut self, prefix: AddressPrefix, bytes: usize) {
        let added = Share { holders: 1, bytes };
        *self.by_prefix.entry(prefix).or_default() += added;
        *self.by_network.entry(prefix.network()).or_default() += added;
        self.total += added;
    }

    /// A holder that was added with as many bytes is gone.
    pub fn remove(&mut self, prefix: AddressPrefix, bytes: usize) {
        let removed = Share { holders: 1, bytes };
        subtract(self.by_prefix.entry(prefix), removed);
        subtract(self.by_network.entry(prefix.network()), removed);
        self.total -= removed;
    }

    /// The share to compare with a bound per address: what the prefix holds, or a 16th of what its /48 holds, whichever
    /// is more.
    pub fn of(&self, prefix: AddressPrefix) -> Share {
        self.held_by(prefix).max(self.of_network(prefix.network()))
    }

    /// What all prefixes hold.
    pub const fn total(&self) -> Share {
        self.total
    }

    /// What the prefix holds itself.
    pub(crate) fn held_by(&self, prefix: AddressPrefix) -> Share {
        self.by_prefix.get(&prefix).copied().unwrap_or_default()
    }

    /// What a network holds, as the share of one prefix.
    pub(crate) fn of_network(&self, network: Network) -> Share {
        let held = self.by_network.get(&network).copied().unwrap_or_default();
        match network {
            Network::V4(_) => held,
            Network::V6(_) => {
                Share { holders: held.holders / PREFIXES_PER_NETWORK, bytes: held.bytes / PREFIXES_PER_NETWORK }
            }
        }
    }
}

impl Share {
    /// The larger number of holders, and the larger number of bytes.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { holders: self.holders.max(other.holders), bytes: self.bytes.max(other.bytes) }
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.holders += other.holders;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Share {
    fn sub_assign(&mut self, other: Self) {
        self.holders -= other.holders;
        self.bytes -= other.bytes;
    }
}

/// Takes a part away from a share, and forgets whoever holds nothing.
fn subtract<K: Eq + Hash>(entry: Entry<'_, K, Share>, removed: Share) {
    if let Entry::Occupied(mut share) = entry {
        *share.get_mut() -= removed;
        if share.get().holders == 0 {
            share.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn prefix(address: &str) -> AddressPrefix {
        AddressPrefix::from(address.parse::<IpAddr>().unwrap())
    }

    fn shares(holders: &[(&str, usize)]) -> Shares {
        let mut shares = Shares::default();
        holders.iter().for_each(|(address, bytes)| shares.add(prefix(address), *bytes));
        shares
    }

    #[test]
    fn each_prefix_has_a_share_of_its_own() {
        let shares = shares(&[("192.0.2.1", 10), ("192.0.2.1", 5), ("192.0.2.2", 1), ("2001:db8::1", 7)]);
        assert_eq!(shares.of(prefix("192.0.2.1")), Share { holders: 2, bytes: 15 });
        assert_eq!(shares.of(prefix("192.0.2.2")), Share { holders: 1, bytes: 1 });
        assert_eq!(shares.of(prefix("2001:db8::ffff")), Share { holders: 1, bytes: 7 });
        assert_eq!(shares.of(prefix("192.0.2.3")), Share::default());
        assert_eq!(shares.total(), Share { holders: 4, bytes: 23 });
    }

    #[test]
    fn a_48_of_ipv6_holds_as_much_as_16_of_its_64s() {
        let mut shares = Shares::default();
        for subnet in 0..64 {
            shares.add(prefix(&format!("2001:db8:0:{subnet:x}::1")), 100);
        }
        let newcomer = prefix("2001:db8:0:ffff::1");
        assert_eq!(shares.of(newcomer), Share { holders: 4, bytes: 400 }, "64 prefixes of the /48, at 16 to a share");
        assert_eq!(shares.of(prefix("2001:db8:1::1")), Share::default(), "another /48");
    }

    #[test]
    fn a_prefix_that_holds_nothing_is_forgotten() {
        let mut shares = shares(&[("192.0.2.1", 3), ("2001:db8::1", 4)]);
        shares.remove(prefix("192.0.2.1"), 3);
        shares.remove(prefix("2001:db8::1"), 4);
        assert!(shares.by_prefix.is_empty() && shares.by_network.is_empty());
        assert_eq!(shares.total(), Share::default());
    }
}
