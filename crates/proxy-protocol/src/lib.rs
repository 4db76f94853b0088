//! Headers of the PROXY protocol, versions 1 and 2, as a receiver reads them: the address of the peer for whom a load
//! balancer has connected.
//!
//! The specification is [proxy-protocol.txt](https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt). [`read`] takes the
//! first bytes of a stream, as many as have come, and says whether they are a header, part of one, or something else. It
//! does no I/O, and allocates nothing.
//!
//! Whether the peer may send a header at all is for the caller to judge, by the address of the socket: anybody can write any
//! address into one.

mod checksum;
mod header;
mod read;
mod v1;
mod v2;

pub use header::{Beginning, HEAD_BYTES, Header, HeaderError, MAX_BODY_BYTES, MAX_LINE_BYTES, Origin};
pub use read::{Signature, read, signature};

/// The longest header that is accepted.
pub const MAX_HEADER_BYTES: usize = HEAD_BYTES + MAX_BODY_BYTES;
