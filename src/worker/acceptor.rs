//! Whether a port is accepted from.

use super::info::AcceptorInfo;
use crate::clock::Millis;
use crate::routing::Side;

/// The task that accepts on one port.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) side: Side,
    pub(super) pausing: bool,
    pub(super) since: Millis,
}

impl Acceptor {
    pub(super) fn info(&self, now: Millis) -> AcceptorInfo {
        AcceptorInfo { side: self.side, pausing: self.pausing, lasting: now.since(self.since) }
    }
}
