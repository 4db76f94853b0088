//! What both versions say, and what they may take.

use std::net::{AddrParseError, SocketAddr};

/// The longest line of version 1, its end included.
pub const MAX_LINE_BYTES: usize = 107;

/// The length of the head of version 2.
pub const HEAD_BYTES: usize = 16;

/// The longest body of version 2 that is accepted.
pub const MAX_BODY_BYTES: usize = 4096;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// No header, whatever follows.
    Other,
    /// A header, as far as it has come; or nothing as yet.
    Part,
    /// A header.
    Header(Header),
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the connection comes from.
    pub origin: Origin,
    /// The length of the header; what the peer sends begins behind it.
    pub bytes: usize,
}

/// Where a connection comes from, in the words of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the proxy itself, or from a peer whose address is none of the Internet protocol: the address of the socket counts.
    Socket,
    /// From the peer with this address.
    Peer(SocketAddr),
}

/// Why a header is refused. The sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Version 1: a line without an end.
    #[error("the line does not end with CR LF within {} bytes", MAX_LINE_BYTES)]
    LongLine,
    /// Version 1: another protocol than those of the specification.
    #[error("the protocol is neither TCP4, TCP6 nor UNKNOWN")]
    Protocol,
    /// Version 1: not two addresses and two ports with one blank between them.
    #[error("there are not two addresses and two ports with one blank between them")]
    Fields,
    /// Version 1: an address that is none of its family.
    #[error("an address is no address of its protocol: {0}")]
    Address(#[from] AddrParseError),
    /// Version 1: a port that is none.
    #[error("a port is no number from 0 to 65535 without leading zeros")]
    Port,
    /// Version 2: a later version.
    #[error("version {0} is unknown")]
    Version(u8),
    /// Version 2: neither LOCAL nor PROXY.
    #[error("command {0} is neither LOCAL nor PROXY")]
    Command(u8),
    /// Version 2: an address family or a transport that the specification does not have.
    #[error("the address family and the transport, {0:#04x}, are unknown")]
    Family(u8),
    /// Version 2: more behind the head than is accepted.
    #[error("{0} bytes behind the head are more than {max}", max = MAX_BODY_BYTES)]
    LongBody(u16),
    /// Version 2: too little room for the addresses.
    #[error("{bytes} bytes behind the head are too few for the addresses, which take {need}")]
    ShortAddresses {
        /// What there is.
        bytes: usize,
        /// What it takes.
        need: usize,
    },
    /// Version 2: the values behind the addresses do not end where the header does.
    #[error("the values behind the addresses (TLVs) do not end where the header does")]
    Values,
    /// Version 2: the checksum is another.
    #[error("the checksum (CRC-32C) is wrong")]
    Checksum,
}
