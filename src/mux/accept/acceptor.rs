//! Whether a port is accepted from.

use std::time::Duration;

use fastway_service::clock::Millis;

use crate::mux::routing::Side;

/// The task that accepts on one port.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) side: Side,
    pub(crate) pausing: bool,
    pub(crate) since: Millis,
}

/// A task that accepts links.
#[derive(Clone, Copy, Debug)]
pub struct AcceptorInfo {
    /// Whose port.
    pub side: Side,
    /// Whether it pauses because accepting failed.
    pub pausing: bool,
    /// For how long it has been so.
    pub lasting: Duration,
}

impl Acceptor {
    pub(crate) fn info(&self, now: Millis) -> AcceptorInfo {
        AcceptorInfo { side: self.side, pausing: self.pausing, lasting: now.since(self.since) }
    }
}
