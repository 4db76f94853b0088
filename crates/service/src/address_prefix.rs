//! Addresses as far as they tell peers apart.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that one peer is taken to hold: an IPv4 address, or an IPv6 /64, within which a host picks its
/// address at will.
///
/// An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressPrefix {
    /// One address, a /32.
    V4(Ipv4Addr),
    /// A /64, by its upper 64 bits.
    V6(u64),
}

/// What one customer of a provider is taken to hold: an IPv4 address, or an IPv6 /48, which has 65,536 /64s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// One address, a /32.
    V4(Ipv4Addr),
    /// A /48, by its upper 48 bits.
    V6(u64),
}

impl AddressPrefix {
    /// The lowest in order.
    pub(crate) const MIN: Self = Self::V4(Ipv4Addr::UNSPECIFIED);

    /// The network that the prefix is part of.
    pub const fn network(self) -> Network {
        match self {
            Self::V4(address) => Network::V4(address),
            Self::V6(upper) => Network::V6(upper >> 16),
        }
    }
}

impl From<IpAddr> for AddressPrefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(upper) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*upper) << 64)),
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
    fn a_network_is_a_48_of_ipv6_and_an_address_of_ipv4() {
        assert_eq!(prefix("2001:db8::1").network(), prefix("2001:db8:0:ffff::1").network());
        assert_ne!(prefix("2001:db8::1").network(), prefix("2001:db8:1::1").network());
        assert_ne!(prefix("192.0.2.1").network(), prefix("192.0.2.2").network());
    }
}
