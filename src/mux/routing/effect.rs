//! What a router answers: things for the worker to do, and words for the routers of other workers.

use fastway_admin::observe::Side;
use fastway_wire::{Command, ConnId};

use super::address::{Ends, Slot, WorkerId};

/// What the worker has to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a command to a link of this worker.
    Tell {
        /// The link.
        slot: Slot,
        /// What to send.
        command: Command,
        /// Whether the link asked for it.
        origin: Origin,
    },
    /// Pass on to the router of another worker.
    RouterSync {
        /// The other worker.
        to: WorkerId,
        /// What changed.
        sync: RouterSync,
    },
}

/// Who caused a packet. What a link's own requests cause is counted apart: a link that does not take the answers to
/// its requests is not read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The other end of a virtual connection, or an event.
    Others,
    /// A request of the link itself.
    Itself,
}

/// What one router tells another about a virtual connection that both know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterSync {
    /// A link of the sender dialed a link of the receiver.
    Connect {
        /// The new connection.
        conn: ConnId,
        /// Its ends.
        ends: Ends,
        /// The side that dialed.
        dialer: Side,
    },
    /// The sender's end of the connection is gone.
    Close {
        /// The connection.
        conn: ConnId,
    },
}

/// A message that the grammar forbids to this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A command that only the gateway sends.
    #[error("the peer sent {0:?}, which only the gateway may send")]
    GatewayOnly(Command),
}

/// A command for the link that asked for it.
pub(super) fn answer(slot: Slot, command: Command) -> Effect {
    Effect::Tell { slot, command, origin: Origin::Itself }
}
