//! Where a gateway is found.

use std::net::SocketAddr;

use super::transport::LinkKind;

/// Where the gateway listens, and what its servers have to know.
#[derive(Clone, Debug)]
pub(crate) struct GatewayAddrs {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) key: String,
    /// How players come.
    pub(crate) players: LinkKind,
}
