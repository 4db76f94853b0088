//! What both versions have in common.

use std::net::{AddrParseError, SocketAddr};

use crate::{v1, v2};

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

/// Whether a stream begins with one of the signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It does not, whatever follows.
    Absent,
    /// It may: all that has come is the beginning of a signature.
    Part,
    /// It does, with that of version 1.
    V1,
    /// It does, with that of version 2.
    V2,
}

/// Why a header is refused. The sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Version 1: a line without an end.
    #[error("the line does not end with CR LF within {} bytes", v1::MAX_LINE_BYTES)]
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
    #[error("{0} bytes behind the head are more than {max}", max = v2::MAX_BODY_BYTES)]
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

/// Reads a header at the beginning of `bytes`, which are all that has come so far. More than
/// [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES) are never needed.
///
/// # Errors
/// The bytes begin with a signature, and with no header, whatever follows.
pub fn read(bytes: &[u8]) -> Result<Beginning, HeaderError> {
    match signature(bytes) {
        Signature::Absent => Ok(Beginning::Other),
        Signature::Part => Ok(Beginning::Part),
        Signature::V1 => v1::read(bytes),
        Signature::V2 => v2::read(bytes),
    }
}

/// Whether `bytes`, the first ones of a stream, are a signature. Nothing else that peers of a gateway say begins like one.
pub fn signature(bytes: &[u8]) -> Signature {
    if bytes.starts_with(v1::SIGNATURE) {
        Signature::V1
    } else if bytes.starts_with(v2::SIGNATURE) {
        Signature::V2
    } else if v1::SIGNATURE.starts_with(bytes) || v2::SIGNATURE.starts_with(bytes) {
        Signature::Part
    } else {
        Signature::Absent
    }
}
