//! The byte streams that carry links: a [`Stream`] is a socket, the state of the protocol on it that turns its bytes into a
//! stream, and the buffers of both. TCP is the only transport as yet.
//!
//! ```text
//!   accepted ──▶ Stream ── detach ──▶ DetachedStream ── attach, on another worker ──▶ Stream
//! ```
//!
//! A stream belongs to the runtime of one worker. It can be handed to another worker at any time, as a whole: bytes that were
//! read for a look at them travel with it.
//!
//! Nothing here knows sessions or links. A further transport is a variant of the sockets in `stream.rs`, with a file of its
//! own: the data path calls it by a `match`, not by a table of functions.

mod kind;
#[cfg(feature = "memory")]
mod memory;
mod stream;
mod tcp;
mod unread;

pub use kind::TransportKind;
pub use stream::{DetachedStream, PEEKED_BYTES, Stream};
