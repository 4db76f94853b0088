//! The wire format of the mux protocol: ids, frames, commands and the server handshake.
//!
//! This crate does no I/O and reads no clock. The parsers are total: every input gives a value or a named error, and
//! none panics. All integers are little-endian.
//!
//! `docs/protocol.md` §1 is the specification; `tests/vectors/*.json` holds examples that every language reads.
//!
//! ```
//! use fastway_wire::{Command, ConnId, encode_data, split_frame};
//!
//! let mut sent = Command::Dial { remote: 1 }.encode().to_vec();
//! encode_data(ConnId::new(9527), b"Hello", &mut sent)?;
//!
//! let mut waiting = sent.as_slice();
//! while let Some((frame, rest)) = split_frame(waiting, 512 << 10)? {
//!     match frame.conn().is_command() {
//!         true => println!("command {:?}", Command::decode(frame.payload())?),
//!         false => println!("{} bytes for connection {}", frame.payload().len(), frame.conn()),
//!     }
//!     waiting = rest;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod command;
mod frame;
mod handshake;
mod ids;

pub use command::{Command, CommandError, CommandKind, EncodedCommand};
pub use frame::{
    CONN_ID_BYTES, Frame, FrameError, HEADER_BYTES, LEN_BYTES, MIN_PACKET, PayloadTooLong, data_header, encode_data,
    frame_bytes, header_conn, split_frame,
};
pub use handshake::{CHALLENGE_BYTES, Challenge, DIGEST_BYTES, HandshakeError, RESPONSE_BYTES};
pub use ids::{ClientId, ConnId, ServerId};
