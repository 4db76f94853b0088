//! Which load balancers stand in front of the ports.

use std::net::IpAddr;
use std::sync::Arc;

use fastway_service::Cidr;

/// What a port does about headers of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// It knows none: a connection that begins with one is turned away, as everything is that a port does not admit.
    #[default]
    Off,
    /// A trusted peer may begin with one.
    Optional,
    /// Every connection begins with one, and comes from a trusted peer.
    Required,
}

/// The peers whose headers are believed. Anybody can write any address into a header.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[Cidr]>);

impl TrustedProxies {
    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the peer with this address is trusted.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }
}

impl FromIterator<Cidr> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Cidr>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}
