//! Version 2: a head of 16 bytes, and a body that it has the length of. Numbers are big-endian.
//!
//! ```text
//!   0            12             13                     14            16
//!   | signature  | version,     | address family,      | length of   | addresses | values …
//!   |            | command      | transport            | the body    |           |
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::checksum::crc32c;
use crate::header::{Beginning, HEAD_BYTES, Header, HeaderError, MAX_BODY_BYTES, Origin};

/// What the head begins with.
pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

// Offsets in the head, behind the signature.
const VERSION_AND_COMMAND_AT: usize = 12;
const FAMILY_AND_TRANSPORT_AT: usize = 13;
const LENGTH_AT: usize = 14;

const VERSION: u8 = 2;

// Commands.
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

// Address families. 0 is none of these.
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;

/// Unspecified, stream, datagram.
const TRANSPORTS: std::ops::RangeInclusive<u8> = 0..=2;
const UNSPECIFIED_TRANSPORT: u8 = 0;

/// Two paths of a Unix socket.
const UNIX_ADDRESS_BYTES: usize = 2 * 108;

/// The type of the value that holds the checksum.
const TYPE_CRC32C: u8 = 3;

/// Reads a header from bytes that begin with the signature.
pub(crate) fn read(bytes: &[u8]) -> Result<Beginning, HeaderError> {
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Ok(Beginning::Part) };
    let length = u16::from_be_bytes([head[LENGTH_AT], head[LENGTH_AT + 1]]);
    let (version, command) = nibbles(head[VERSION_AND_COMMAND_AT]);
    if version != VERSION {
        return Err(HeaderError::Version(version));
    }
    if usize::from(length) > MAX_BODY_BYTES {
        return Err(HeaderError::LongBody(length));
    }

    let total = HEAD_BYTES + usize::from(length);
    let origin = match command {
        // Whatever it says of addresses does not count.
        LOCAL => bytes.get(..total).map(|_| Ok(Origin::Socket)),
        PROXY => {
            check_family(head[FAMILY_AND_TRANSPORT_AT])?;
            bytes.get(..total).map(origin)
        }
        _ => return Err(HeaderError::Command(command)),
    };
    match origin {
        Some(origin) => Ok(Beginning::Header(Header { origin: origin?, bytes: total })),
        None => Ok(Beginning::Part),
    }
}

fn check_family(byte: u8) -> Result<(), HeaderError> {
    let (family, transport) = nibbles(byte);
    let is_known = family <= UNIX && TRANSPORTS.contains(&transport);
    if is_known { Ok(()) } else { Err(HeaderError::Family(byte)) }
}

/// The origin of a whole header with the command PROXY.
fn origin(header: &[u8]) -> Result<Origin, HeaderError> {
    let (head, body) = header.split_at(HEAD_BYTES);
    let (family, transport) = nibbles(head.get(FAMILY_AND_TRANSPORT_AT).copied().unwrap_or_default());
    let (origin, address_bytes) = match family {
        INET => inet::<4>(body)?,
        INET6 => inet::<16>(body)?,
        UNIX => (Origin::Socket, UNIX_ADDRESS_BYTES),
        // The values may stand behind addresses of a family that has no number: they are not looked for.
        _ => return Ok(Origin::Socket),
    };
    if body.len() < address_bytes {
        return Err(HeaderError::ShortAddresses { bytes: body.len(), need: address_bytes });
    }

    check_values(header, HEAD_BYTES + address_bytes)?;
    Ok(if transport == UNSPECIFIED_TRANSPORT { Origin::Socket } else { origin })
}

/// The source of two addresses of `N` bytes each and two ports, and their length.
fn inet<const N: usize>(body: &[u8]) -> Result<(Origin, usize), HeaderError>
where
    IpAddr: From<[u8; N]>,
{
    let need = 2 * N + 2 * size_of::<u16>();
    let source = body.first_chunk::<N>();
    let port = body.get(2 * N..need).and_then(<[u8]>::first_chunk);
    let (Some(source), Some(port)) = (source, port) else {
        return Err(HeaderError::ShortAddresses { bytes: body.len(), need });
    };
    Ok((Origin::Peer(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port))), need))
}

/// Walks the values from `start` to the end of a header: type, length in two bytes, value. Those that are not known are
/// skipped.
fn check_values(header: &[u8], start: usize) -> Result<(), HeaderError> {
    let mut at = start;
    while let Some([kind, high, low, ..]) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let value = at + 3;
        let end = value + usize::from(u16::from_be_bytes([*high, *low]));
        if end > header.len() {
            return Err(HeaderError::Values);
        }
        if *kind == TYPE_CRC32C {
            check_checksum(header, value, end)?;
        }
        at = end;
    }
    if at == header.len() { Ok(()) } else { Err(HeaderError::Values) }
}

/// The checksum is that of the header with zeros in place of the checksum.
fn check_checksum(header: &[u8], start: usize, end: usize) -> Result<(), HeaderError> {
    let given = header.get(start..end).and_then(|value| <[u8; 4]>::try_from(value).ok());
    let without = header.iter().enumerate().map(|(at, byte)| if (start..end).contains(&at) { 0 } else { *byte });
    if given.map(u32::from_be_bytes) == Some(crc32c(without)) { Ok(()) } else { Err(HeaderError::Checksum) }
}

const fn nibbles(byte: u8) -> (u8, u8) {
    (byte >> 4, byte & 0x0f)
}
