//! Byte streams that outlive their transports: encrypted, authenticated, resumed by transport after transport with
//! nothing lost or doubled.
//!
//! [`Session`] is a state machine: bytes, time and randomness go in, bytes, times and [`Event`]s come out. Nothing here
//! does I/O, waits, or reads a clock; the feature `tokio`, on by default, adds an adaptor that does.
//!
//! | | |
//! |---|---|
//! | initiator | [`Session::secure`] or [`Session::legacy`], then [`Session::connect`] for each transport |
//! | acceptor | [`Reception`] collects a first message; [`Open::accept`] or [`Session::resume`] answers it |
//! | both | [`Session::receive`], [`Session::send`], [`Session::poll_event`], [`Session::timeout`] |
//!
//! `docs/protocol.md` §2 and §3 are the specification, `docs/security.md` says what is protected against whom, and
//! `tests/vectors/session-*.json` holds examples that every language reads.

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod buffer;
mod error;
mod keys;
mod legacy;
mod life;
mod reception;
mod secure;
mod session;
mod status;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(test)]
mod tests;

pub use buffer::{Backlog, ReplayBuffer};
pub use error::{HelloError, SessionError};
pub use keys::{BadKey, Identity, KeyPair, Names, PublicKey, SessionId, SessionName};
pub use life::{Event, TransportId};
pub use reception::{LegacyConfig, Limits, LinkKind, Open, Pattern, Reception, Request, Resume};
pub use secure::message::SESSION_ID_BYTES;
pub use secure::noise::KEY_BYTES;
pub use secure::record::{MAX_CIPHERTEXT_BYTES, MAX_RECORD_BYTES, MIN_CIPHERTEXT_BYTES};
pub use session::{Dial, MAX_CANDIDATES, MIN_READ_BYTES, Received, Session};
pub use status::{AbortReason, End, Fault, Status};
#[cfg(feature = "tokio")]
pub use stream::{Attempt, Dialer, SessionStream, Settled, Supplier, Wanted};
