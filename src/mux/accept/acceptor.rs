//! Whether a port is accepted from.

use fastway_admin::observe::AcceptorInfo;
use fastway_service::clock::Millis;

use crate::mux::routing::Side;

/// The task that accepts on one port.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) side: Side,
    pub(crate) pausing: bool,
    pub(crate) since: Millis,
}

impl Acceptor {
    pub(crate) fn info(&self, now: Millis) -> AcceptorInfo {
        AcceptorInfo { side: self.side, pausing: self.pausing, lasting: now.since(self.since) }
    }
}
