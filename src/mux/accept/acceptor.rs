//! The listening sockets of workers, and whether they are accepted from.

use std::net::TcpListener;

use fastway_admin::observe::AcceptorInfo;
use fastway_service::clock::Millis;

use crate::mux::routing::Side;

/// A port of the gateway, as its workers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortId(pub(crate) u32);

/// A listening socket that a worker accepts from.
#[derive(Debug)]
pub(crate) struct PortListener {
    pub(crate) port: PortId,
    pub(crate) side: Side,
    pub(crate) listener: TcpListener,
}

/// The task that accepts on one port.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) port: PortId,
    pub(crate) side: Side,
    pub(crate) pausing: bool,
    pub(crate) since: Millis,
}

impl Acceptor {
    pub(crate) fn info(&self, now: Millis) -> AcceptorInfo {
        AcceptorInfo { side: self.side, pausing: self.pausing, lasting: now.since(self.since) }
    }
}
