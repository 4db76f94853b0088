//! A worker: one thread with a single-threaded runtime that owns links.
//!
//! Links never move between workers, so nothing on a frame's way takes a lock. A worker runs in turns: the runtime
//! polls the tasks of all links that can be read (each routes what it reads into outboxes, in memory), then the pump
//! flushes each link that was fed, with one write. See `docs/architecture/data-path.md` for a frame's whole way.

mod accept;
mod agenda;
mod ask;
mod backpressure;
mod close;
mod core;
mod counters;
mod cross_worker;
mod deadlines;
mod ended;
mod flush;
mod forwarding;
mod heartbeats;
mod histogram;
mod inspect;
mod link_events;
mod link_log;
mod links;
mod load;
mod mail;
mod memory;
mod memory_account;
mod question;
mod receive;
mod report;
mod session_table;
mod sessions;
mod shared;
mod shared_core;
mod shared_sessions;
mod stop;
mod sweep;
mod tasks;
mod ticker;
mod transit;
mod upkeep;
mod wakeups;

pub(crate) use accept::Listeners;
pub use histogram::{BatchSizes, Batches, Bounds, Histogram, RoundTripTimes, RoundTrips};
pub(crate) use inspect::{ROUND_TRIPS_PER_QUESTION, SLOTS_PER_QUESTION};
pub(crate) use mail::{Mailboxes, Message};
pub(crate) use question::Pending;
pub use report::{HeldUp, LinkCounts, SessionStats, SideReport, SideStats, Stats, Undelivered, WorkerReport};
pub(crate) use shared::Shared;
pub(crate) use tasks::run;
pub(crate) use ticker::Ticker;
