//! The parts of a frame's way through the gateway, for the benches of this repository to measure each alone. They change
//! without notice.

pub use crate::mux::link::{Inbox, Outbox, Progress, Sizes};
pub use crate::mux::pool::{Chunk, LocalPool, Pool};
pub use crate::mux::routing::{Effect, LinkAddr, Origin, Registry, Role, Router, RouterLimits, Side, Slot, WorkerId};
