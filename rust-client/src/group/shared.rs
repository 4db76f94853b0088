//! What a group shares with the tasks of its gateways.

use std::sync::Arc;

use fastway_wire::ServerId;
use tokio::sync::broadcast;

use super::health::GroupEvent;
use crate::GroupConfig;
use crate::link::RawConnection;
use crate::queue::Queue;

/// The group, but for the list of its gateways.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Vec<u8>,
    pub(super) id: ServerId,
    pub(super) config: GroupConfig,
    /// Connections of all links, each with its gateway.
    pub(super) accepts: Queue<(Arc<str>, RawConnection)>,
    pub(super) events: broadcast::Sender<GroupEvent>,
}
