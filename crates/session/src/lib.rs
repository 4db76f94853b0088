//! Byte streams that outlive their transports: encrypted and authenticated, resumed on one transport after another
//! without loss or duplication.
//!
//! [`Session`] is a state machine: bytes, time and randomness go in, bytes, times and [`Event`]s come out. Nothing here
//! does I/O, waits, or reads a clock; the feature `tokio`, on by default, adds an adaptor that does.
//!
//! | | |
//! |---|---|
//! | initiator | [`Session::secure`] or [`Session::legacy`], then [`Session::connect`] for each transport |
//! | acceptor | [`Reception`] collects a first message; [`Open::accept`] or [`Session::resume`] answers it |
//! | both | [`Session::receive_read`], [`Session::send`], [`Session::poll_event`], [`Session::timeout`] |
//!
//! `docs/protocol.md` §2 and §3 are the specification, `docs/security.md` says what is protected against whom, and
//! `tests/vectors/session-*.json` holds examples that every language reads.

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod buffer;
mod config;
mod error;
mod keys;
mod legacy;
mod lifecycle;
mod reception;
mod request;
mod secure;
mod session;
mod sizes;
mod status;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(test)]
mod tests;
mod transport;

pub use buffer::{Backlog, ReplayBuffer};
pub use config::{LegacyConfig, Limits, Pattern, Protocol};
pub use error::{HelloError, SessionError};
pub use keys::{BadKey, Identity, KeyPair, Names, PublicKey, SessionId, SessionName};
pub use lifecycle::Event;
pub use reception::Reception;
pub use request::{Open, Request, Resume};
pub use secure::record::{MAX_CIPHERTEXT_BYTES, MAX_RECORD_BYTES, MIN_CIPHERTEXT_BYTES};
pub use session::{MAX_CANDIDATES, MIN_READ_BYTES, Session};
pub use sizes::{KEY_BYTES, SESSION_ID_BYTES};
pub use status::{AbortReason, End, Fault, Status};
#[cfg(feature = "tokio")]
pub use stream::{Attempt, Dialer, InsteadOf, SessionStream, Settled, Supplier, Wanted};
pub use transport::{Dial, Received, TransportId};
