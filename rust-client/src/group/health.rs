//! State and events of the gateways of a group.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::{ConnectError, LinkEnd, LinkStats};

/// The state of one gateway of a group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayHealth {
    /// Its address, as it was added.
    pub gateway: Arc<str>,
    /// The state of its link.
    pub state: GatewayState,
    /// How often the link came up.
    pub connects: u64,
    /// How often an attempt failed.
    pub failures: u64,
    /// Connections closed because too many waited for the group's `accept`.
    pub accepts_overflowed: u64,
    /// Counts of the present link.
    pub stats: Option<LinkStats>,
}

/// The state of the link to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayState {
    /// An attempt is in progress.
    Connecting,
    /// The link is up.
    Up,
    /// The next attempt comes this long after the last one failed.
    Waiting {
        /// The delay.
        retry_in: Duration,
    },
    /// The group was closed.
    Closed,
}

/// An event of the link of a gateway.
#[derive(Clone, Debug)]
pub struct GroupEvent {
    /// The gateway, as it was added.
    pub gateway: Arc<str>,
    /// What happened.
    pub kind: GroupEventKind,
}

/// What happened to a link.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GroupEventKind {
    /// The link is up: clients of that gateway can dial this server.
    Up,
    /// It has ended, and its connections with it.
    Down {
        /// Why it ended.
        end: LinkEnd,
        /// How long it was there. When gateways end link after link within moments, another program has registered the
        /// same ID, or the same gateway is in the group under two names.
        lived: Duration,
        /// When the next attempt comes; `None`: the gateway was removed, or the group closed.
        retry_in: Option<Duration>,
    },
    /// An attempt failed; the next one comes by itself.
    Failed {
        /// Why it failed.
        error: Arc<ConnectError>,
        /// When the next attempt comes.
        retry_in: Duration,
    },
}

/// The events of a group, from the subscription on.
#[derive(Debug)]
pub struct GroupEvents {
    events: broadcast::Receiver<GroupEvent>,
}

impl GroupEvents {
    pub(super) fn new(events: broadcast::Receiver<GroupEvent>) -> Self {
        Self { events }
    }

    /// The next event; `None` once the group is dropped. A subscriber that is more than 1,024 events behind misses the
    /// oldest. Cancel-safe.
    pub async fn next(&mut self) -> Option<GroupEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
