//! The harness of the black-box suites: a test reads as a script of what crosses the wire.
//!
//! ```no_run
//! use fastway_testkit::Gateway;
//!
//! let gateway = Gateway::start(&[]);
//! let (mut client, mut server) = (gateway.client(), gateway.server(7));
//! let conn = client.open(&mut server);
//! client.send(conn, b"hi");
//! server.expect_data(conn, b"hi");
//! ```
//!
//! Every wait has a deadline: a gateway that says nothing fails a test, it never hangs one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a harness reports by panicking, and the test shows where"
)]

pub mod browser;
pub mod cancel;
pub mod chaos;
pub mod examples;
mod front_end;
mod gateway;
pub mod http;
mod link;
pub mod namespace;
mod peers;
pub mod pprof;
pub mod process;
pub mod seeded;
pub mod sessions;
mod tunnel;
pub mod watch;

pub use front_end::FrontEnd;
pub use gateway::{ALL_CLIENT_LINKS, Gateway, KEY, on_every_server_link, on_every_setup};
pub use link::{Link, Message, Sender, connect_from, connect_narrow, data};
pub use peers::{Client, Server, challenge_of, server_stream};
pub use tunnel::{InputIgnored, Tunnel};
