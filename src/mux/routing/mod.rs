//! Who talks to whom: the virtual connections of one worker's links.
//!
//! The router decides and the worker acts. It takes a parsed message together with the link that it came from, and
//! answers with a destination (data) or with [`Effect`]s (commands). It knows no sockets, buffers or clocks.
//!
//! Each worker has a router of its own, so that looking up a destination takes no lock. A virtual connection between
//! links of two workers stands in both routers; what one of them changes reaches the other as a [`RouterSync`], in order
//! with the data:
//!
//! ```text
//!   Dial ──> dialer's router ──Accept──> dialer          Close ──> its router ──Close──> the end that closed
//!                   └──RouterSync::Connect──> other router                   └──RouterSync::Close──> other router
//!                                             └──Connect──> dialed             └──Close──> the other end
//! ```
//!
//! Implements `docs/protocol.md`, "Mux protocol".

mod address;
mod dial;
mod effect;
mod member;
mod registry;
mod router;

// What the answers of `Observe` name as well.
pub(crate) use fastway_admin::observe::{LinkId, PerSide};
pub use fastway_admin::observe::{Role, Side};

pub(crate) use address::Ends;
pub use address::{LinkAddr, Slot, WorkerId};
pub use effect::{Effect, Origin};
pub(crate) use effect::{RouterSync, Violation};
pub use registry::Registry;
pub use router::{Router, RouterLimits, RouterStats};

#[cfg(test)]
mod tests;
