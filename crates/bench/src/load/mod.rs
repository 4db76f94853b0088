//! The load generator: one thread that plays all players and all servers of a run.
//!
//! `scene` opens links and connections, `run` is the loop, `traffic` decides what is sent and when, `crowd` knows the
//! connections, `stream` judges each of their directions, `net` holds the sockets, `tally` counts.

mod carrier;
mod clock;
mod crowd;
mod dialog;
mod fault;
mod link;
mod net;
mod pattern;
mod run;
mod scene;
mod schedule;
mod stream;
mod table;
mod tally;
mod traffic;

pub(crate) use carrier::LinkKind;
pub(crate) use clock::{nanos, thread_cpu};
pub(crate) use crowd::Way;
pub(crate) use dialog::Dialog;
pub(crate) use fault::{Fault, LinkName};
pub(crate) use link::Link;
pub(crate) use pattern::TAG_BYTES;
pub(crate) use run::{Conduct, Part, Watch, run};
pub(crate) use scene::{Doors, Layout, Scene, server_id};
pub(crate) use tally::{STEP, Tally, histogram};
pub(crate) use traffic::{Flow, Pacing, Traffic};
