//! The gateway that the package is named after: it multiplexes virtual connections between clients and game servers over
//! one link each.
//!
//! The modules stand in layers. [`routing`] decides and [`pool`] lends buffers; a [`link`] is the byte stream to one peer;
//! [`accept`] has the rules of the way in. A [`worker`] acts on all of them on a thread of its own. [`gateway`] starts the
//! workers and stops them, [`observer`] asks them.

mod accept;
mod auto_limits;
pub mod config;
pub mod drain;
pub mod gateway;
mod link;
pub mod observer;
pub mod parts;
mod pool;
mod ports;
mod routing;
mod worker;
