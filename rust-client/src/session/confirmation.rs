//! The time in which the gateway has to confirm a transport.
//!
//! A network can fall silent between the gateway's reply and the first byte behind it. The link is pinged as soon as it has a
//! new transport; if the gateway does not acknowledge that soon, another transport is tried, long before the silence would count
//! as the end of an older one.

use std::future::pending;
use std::time::Duration;

use fastway_session::TransportId;
use tokio::time::{Instant, sleep_until};

use crate::backoff::up_to_half_longer;

/// The transport in use, and when it has to be confirmed.
#[derive(Debug)]
pub(super) struct Confirmation {
    transport: Option<TransportId>,
    due: Option<Instant>,
    /// Transports in a row that were not confirmed: each has twice as long as the one before. A gateway that has no time to
    /// answer must not be asked again and again.
    missing: u32,
    longest: Option<Duration>,
}

impl Confirmation {
    /// None is expected so far. No transport has longer than `longest`; without that none is ever replaced, as where the link is
    /// not pinged, so that the gateway may have nothing to acknowledge.
    pub(super) const fn within(longest: Option<Duration>) -> Self {
        Self { transport: None, due: None, missing: 0, longest }
    }

    /// A transport is to be confirmed, within `time` or up to half longer if those before it were.
    pub(super) fn expect(&mut self, transport: TransportId, time: Duration) {
        let growth = 1u32.checked_shl(self.missing).unwrap_or(u32::MAX);
        let within = self.longest.map(|longest| time.saturating_mul(growth).min(longest));
        self.transport = Some(transport);
        self.due = within.map(|time| Instant::now() + up_to_half_longer(time));
        self.missing = self.missing.saturating_add(1);
    }

    /// Waits until the time of the transport is over, and returns that one; once for each.
    pub(super) async fn late(&mut self) -> TransportId {
        let (Some(transport), Some(due)) = (self.transport, self.due) else { return pending().await };
        sleep_until(due).await;
        self.due = None;
        transport
    }

    /// The last transport that was to be confirmed.
    pub(super) fn transport(&self) -> Option<TransportId> {
        self.transport
    }

    /// The last transport was confirmed, or is of no interest any more.
    pub(super) fn reset(&mut self) {
        (self.transport, self.due, self.missing) = (None, None, 0);
    }
}
