//! The one place that accounts for rejected streams.

use std::net::SocketAddr;

use crate::mux::accept::rejection::Rejection;
use crate::mux::routing::Side;
use crate::mux::worker::core::Core;

impl Core {
    /// Counts a rejected stream, and logs it.
    pub(super) fn reject(&mut self, side: Side, peer: SocketAddr, rejection: &Rejection) {
        self.counters.rejected(rejection.kind(), self.has_sessions(side));
        self.link_log.rejected(side, peer, rejection);
    }
}
