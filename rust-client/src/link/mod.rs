//! One physical link: a task that owns the stream, and what it shares with the handles of the application.
//!
//! ```text
//! send ─▶ Outgoing ─▶ Driver ─▶ stream            one lock and one copy per message, one write per batch
//! recv ◀─ Inbox    ◀─ Driver ◀─ stream            one read, one lock and one wake-up per batch
//! ```

mod carrier;
mod dials;
mod dispatch;
mod driver;
mod ended;
mod inbox;
mod keepalive;
mod memory_limit;
mod outbox;
mod outgoing;
mod receive;
mod shared;
mod unread;
mod waiter;
mod writer;

pub(crate) use carrier::{Carrier, Plain};
pub(crate) use driver::Driver;
pub(crate) use keepalive::KeepaliveConfig;
pub(crate) use outgoing::{Closing, Pushed};
pub(crate) use shared::{Answer, ConnectionHandle, Link, RawConnection};
