//! The load generator: one thread that plays all players and all servers of a run.
//!
//! `setup` opens links and connections, `run` is the loop, `traffic` decides what is sent and when, `connections` knows the
//! connections, `stream` judges each of their directions, `net` holds the sockets, `stats` counts.

mod addrs;
mod blocking_link;
mod clock;
mod connections;
mod fault;
mod link;
mod net;
mod pattern;
mod run;
mod schedule;
mod setup;
mod stats;
mod stream;
mod table;
mod traffic;
mod transport;

pub(crate) use addrs::GatewayAddrs;
pub(crate) use blocking_link::BlockingLink;
pub(crate) use clock::{nanos, thread_cpu};
pub(crate) use connections::Direction;
pub(crate) use fault::{Fault, LinkName};
pub(crate) use link::Link;
pub(crate) use pattern::TAG_BYTES;
pub(crate) use run::{Conduct, Part, Watch, run};
pub(crate) use setup::{Layout, Setup, server_id};
pub(crate) use stats::{STEP, Stats, histogram};
pub(crate) use traffic::{Flow, Pacing, Traffic};
pub(crate) use transport::LinkKind;
