//! Addresses as far as they tell peers apart.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that one peer is taken to hold: an IPv4 address, or an IPv6 network of some [`PrefixLength`].
///
/// An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressPrefix {
    /// One address, a /32.
    V4(Ipv4Addr),
    /// A network.
    V6(Ipv6Prefix),
}

/// What one customer of a provider is taken to hold: an IPv4 address, or an IPv6 /48, which has 65,536 /64s.
///
/// If a peer is taken to hold less than a /64, it is what has 65,536 of its prefixes; if more than a /48, it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// One address, a /32.
    V4(Ipv4Addr),
    /// A network.
    V6(Ipv6Prefix),
}

/// The IPv6 addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Prefix {
    first: Ipv6Addr,
    bits: u8,
}

/// The length of the prefixes by which IPv6 addresses are told apart, in bits: by default 64, within which a host picks its
/// address at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLength(u8);

impl PrefixLength {
    /// The shortest: what a provider holds at least.
    pub const MIN: u8 = 32;
    /// The longest: one address.
    pub const MAX: u8 = 128;

    /// This many bits, if there may be so many.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN && bits <= Self::MAX { Some(Self(bits)) } else { None }
    }

    /// The number of bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The prefix of an address.
    pub const fn prefix_of(self, address: IpAddr) -> AddressPrefix {
        match address.to_canonical() {
            IpAddr::V4(v4) => AddressPrefix::V4(v4),
            IpAddr::V6(v6) => AddressPrefix::V6(Ipv6Prefix::new(v6, self.0)),
        }
    }
}

impl Default for PrefixLength {
    fn default() -> Self {
        Self(64)
    }
}

impl Ipv6Prefix {
    /// The prefix of an address with 1 to 128 bits.
    const fn new(address: Ipv6Addr, bits: u8) -> Self {
        let below = Self::MAX_BITS.saturating_sub(bits) as u32;
        Self { first: Ipv6Addr::from_bits(address.to_bits() >> below << below), bits }
    }

    const MAX_BITS: u8 = 128;

    /// What it is part of.
    const fn network(self) -> Self {
        let bits = match self.bits {
            0..=48 => self.bits,
            49..=64 => 48,
            longer => longer - 16,
        };
        Self::new(self.first, bits)
    }
}

impl AddressPrefix {
    /// The lowest in order.
    pub(crate) const MIN: Self = Self::V4(Ipv4Addr::UNSPECIFIED);

    /// The network that the prefix is part of.
    pub const fn network(self) -> Network {
        match self {
            Self::V4(address) => Network::V4(address),
            Self::V6(prefix) => Network::V6(prefix.network()),
        }
    }

    /// A /64, by its upper 64 bits.
    #[cfg(test)]
    pub(crate) fn of_upper(upper: u64) -> Self {
        PrefixLength::default().prefix_of(Ipv6Addr::from_bits(u128::from(upper) << 64).into())
    }
}

/// With the length that is the default.
impl From<IpAddr> for AddressPrefix {
    fn from(address: IpAddr) -> Self {
        PrefixLength::default().prefix_of(address)
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(Ipv6Prefix { first, bits }) => write!(f, "{first}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> AddressPrefix {
        AddressPrefix::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn ipv4_addresses_are_told_apart_by_all_of_their_bits() {
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
    }

    #[test]
    fn ipv6_addresses_are_told_apart_by_their_upper_64_bits() {
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_eq!(prefix("2001:db8:0:1::1").to_string(), "2001:db8:0:1::/64");
    }

    #[test]
    fn prefixes_of_another_length_are_told_apart_by_their_bits() {
        for (bits, same, other, shown, network) in [
            (32, "2001:db8:ffff::1", "2001:db9::1", "2001:db8::/32", "2001:db8::/32"),
            (48, "2001:db8:0:ffff::1", "2001:db8:1::1", "2001:db8::/48", "2001:db8::/48"),
            (56, "2001:db8:0:ff::1", "2001:db8:0:100::1", "2001:db8::/56", "2001:db8::/48"),
            (64, "2001:db8::ffff", "2001:db8:0:1::1", "2001:db8::/64", "2001:db8::/48"),
            (96, "2001:db8::ffff:1", "2001:db8::1:0:1", "2001:db8::/96", "2001:db8::/80"),
            (128, "2001:db8::", "2001:db8::1", "2001:db8::/128", "2001:db8::/112"),
        ] {
            let length = PrefixLength::new(bits).unwrap();
            let of = |address: &str| length.prefix_of(address.parse().unwrap());
            let prefix = of("2001:db8::");
            assert!(of(same) == prefix && of(other) != prefix, "{bits}");
            let Network::V6(Ipv6Prefix { first, bits }) = prefix.network() else { panic!("{prefix}") };
            assert_eq!((prefix.to_string().as_str(), format!("{first}/{bits}").as_str()), (shown, network));
            assert_eq!(of("192.0.2.1").to_string(), "192.0.2.1", "IPv4 addresses have one length");
        }
        assert_eq!([31, 129].map(PrefixLength::new), [None, None]);
    }

    #[test]
    fn a_network_is_a_48_of_ipv6_and_an_address_of_ipv4() {
        assert_eq!(prefix("2001:db8::1").network(), prefix("2001:db8:0:ffff::1").network());
        assert_ne!(prefix("2001:db8::1").network(), prefix("2001:db8:1::1").network());
        assert_ne!(prefix("192.0.2.1").network(), prefix("192.0.2.2").network());
    }
}
