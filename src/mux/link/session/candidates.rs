//! The candidates of a session: streams that were replied to, and have not proven themselves yet.

use std::cmp::Reverse;
use std::slice;

use fastway_service::AddressPrefix;
use fastway_session::{MAX_CANDIDATES, TransportId};

use super::carrier::Carrier;

/// Some candidates, the oldest first.
#[derive(Debug)]
pub(super) struct Candidates(Vec<Carrier>);

impl Candidates {
    /// The first one.
    pub(super) fn new(first: Carrier) -> Self {
        Self(vec![first])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter_mut(&mut self) -> slice::IterMut<'_, Carrier> {
        self.0.iter_mut()
    }

    /// Adds a candidate. Returns the one that has to be given up for it, if there is one too many.
    pub(super) fn push(&mut self, candidate: Carrier) -> Option<TransportId> {
        self.0.push(candidate);
        let named = |candidate: &Carrier| (candidate.id, AddressPrefix::from(candidate.peer.ip()));
        first_to_yield(&self.0.iter().map(named).collect::<Vec<_>>())
    }

    /// Takes a candidate out, if it is one.
    pub(super) fn take(&mut self, id: TransportId) -> Option<Carrier> {
        let taken = self.0.extract_if(.., |candidate| candidate.id == id).next();
        if self.0.is_empty() {
            // Most sessions never have one again.
            self.0 = Vec::new();
        }
        taken
    }

    /// Memory that their buffers take, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.iter().map(Carrier::held_bytes).sum()
    }
}

/// The candidate that gives way, if there are too many of them: the oldest of the network that has most, and in there of the
/// address prefix that has most. An attacker who repeats a resume replaces his own candidates, and not that of the peer at
/// another address. An IPv6 /48 has no larger share than an IPv4 address: 16 times as much, as elsewhere, would be all places.
///
/// `candidates` are named by `K`, which grows with each newer one.
fn first_to_yield<K: Copy + Ord>(candidates: &[(K, AddressPrefix)]) -> Option<K> {
    if candidates.len() <= MAX_CANDIDATES {
        return None;
    }
    let places = |of: &dyn Fn(AddressPrefix) -> bool| candidates.iter().filter(|(_, prefix)| of(*prefix)).count();
    let share = |prefix: AddressPrefix| {
        let network = places(&|other| other.network() == prefix.network());
        (network, places(&|other| other == prefix))
    };
    candidates.iter().map(|(key, prefix)| (share(*prefix), Reverse(*key))).max().map(|(_, Reverse(key))| key)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn prefix(address: &str) -> AddressPrefix {
        AddressPrefix::from(address.parse::<IpAddr>().unwrap())
    }

    /// Candidates come from these prefixes one after the other, and give way one by one; which are left?
    fn left_of(prefixes: &[AddressPrefix]) -> Vec<usize> {
        let mut candidates = Vec::new();
        for arrival in prefixes.iter().copied().enumerate() {
            candidates.push(arrival);
            if let Some(gone) = first_to_yield(&candidates) {
                candidates.retain(|(key, _)| *key != gone);
            }
            assert!(candidates.len() <= MAX_CANDIDATES);
        }
        candidates.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_newest_of_one_address_are_left() {
        let left = left_of(&[prefix("192.0.2.1"); 100]);
        assert_eq!(left, (100 - MAX_CANDIDATES..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_candidate_stays_until_as_many_as_there_are_places_have_come_from_its_own_address() {
        let (here, there) = (prefix("192.0.2.1"), prefix("192.0.2.2"));
        let before = [[here; 40], [there; 40]].concat();
        let own = before.len();
        let after = |count: usize| left_of(&[&before[..], &vec![here; 1 + count]].concat());
        assert!(after(MAX_CANDIDATES / 2 - 1).contains(&own), "another address has the other half");
        let alone = |count: usize| left_of(&vec![here; 41 + count]);
        assert!(alone(MAX_CANDIDATES - 1).contains(&40) && !alone(MAX_CANDIDATES).contains(&40));
    }

    #[test]
    fn a_48_of_ipv6_takes_no_more_places_than_an_address() {
        let spread = (0..200).map(|number| prefix(&format!("2001:db8:0:{number:x}::1")));
        let all = [prefix("2001:db8:1::1"), prefix("192.0.2.1")].into_iter().chain(spread).collect::<Vec<_>>();
        assert_eq!(left_of(&all)[..2], [0, 1]);
    }

    #[test]
    fn within_a_48_the_64_that_has_most_gives_way() {
        let all = [&[prefix("2001:db8:0:1::1")][..], &[prefix("2001:db8:0:2::1"); 100]].concat();
        assert_eq!(left_of(&all)[0], 0);
    }

    proptest! {
        #[test]
        fn fewer_other_addresses_than_there_are_places_never_push_a_candidate_out(
            before in prop::collection::vec(1..MAX_CANDIDATES, 0..60),
            after in prop::collection::vec(1..MAX_CANDIDATES, 0..200),
        ) {
            let prefixes = |numbers: &[usize]| {
                let addresses = numbers.iter().map(|number| Ipv4Addr::from_bits(u32::try_from(*number).unwrap()));
                addresses.map(AddressPrefix::V4).collect::<Vec<_>>()
            };
            let (before, after) = (prefixes(&before), prefixes(&after));
            let own = before.len();
            let left = left_of(&[&before[..], &[prefix("192.0.2.1")], &after].concat());
            prop_assert!(left.contains(&own), "{left:?}");
        }
    }
}
