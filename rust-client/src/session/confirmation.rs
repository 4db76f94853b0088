//! The time in which the gateway must confirm a transport (`docs/protocol.md` §3.4, 10).
//!
//! A network can become silent between the gateway's reply and the first byte behind it. So the link is pinged at once
//! on a new transport. If the gateway does not acknowledge that soon, another transport is tried, long before the
//! silence limit of an older transport.

use std::future::pending;
use std::time::Duration;

use fastway_session::TransportId;
use tokio::time::{Instant, sleep_until};

use crate::backoff::up_to_half_longer;

/// The live transport, and when it must be confirmed.
#[derive(Debug)]
pub(super) struct Confirmation {
    transport: Option<TransportId>,
    due: Option<Instant>,
    /// Transports in a row without a confirmation. Each has twice as long as the one before: a gateway that has no time
    /// to answer must not be asked again and again.
    missing: u32,
    longest: Option<Duration>,
}

impl Confirmation {
    /// Expects nothing so far. No transport has longer than `longest`. With `None` no transport is replaced: on a link
    /// without pings the gateway may have nothing to acknowledge.
    pub(super) const fn within(longest: Option<Duration>) -> Self {
        Self { transport: None, due: None, missing: 0, longest }
    }

    /// Expects the confirmation of a transport, within `time` to 1.5 times `time`, doubled for each unconfirmed one
    /// before.
    pub(super) fn expect(&mut self, transport: TransportId, time: Duration) {
        let growth = 1u32.checked_shl(self.missing).unwrap_or(u32::MAX);

        let within = self.longest.map(|longest| time.saturating_mul(growth).min(longest));
        self.transport = Some(transport);
        self.due = within.map(|time| Instant::now() + up_to_half_longer(time));
        self.missing = self.missing.saturating_add(1);
    }

    /// Waits until the time of a transport is over, once for each. Returns that transport.
    pub(super) async fn late(&mut self) -> TransportId {
        let (Some(transport), Some(due)) = (self.transport, self.due) else { return pending().await };
        sleep_until(due).await;
        self.due = None;
        transport
    }

    /// The transport expected last.
    pub(super) fn transport(&self) -> Option<TransportId> {
        self.transport
    }

    /// The last transport was confirmed, or no longer matters.
    pub(super) fn reset(&mut self) {
        (self.transport, self.due, self.missing) = (None, None, 0);
    }
}
