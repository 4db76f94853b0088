//! Version 1: a line of text.
//!
//! ```text
//!   PROXY TCP4 <source> <destination> <source port> <destination port> CR LF
//!   PROXY TCP6 <source> <destination> <source port> <destination port> CR LF
//!   PROXY UNKNOWN [ <anything>] CR LF
//! ```

use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::header::{Beginning, Header, HeaderError, MAX_LINE_BYTES, Origin};

/// What the line begins with.
pub(crate) const SIGNATURE: &[u8] = b"PROXY ";

const LINE_END: &[u8] = b"\r\n";

/// Reads a header from bytes that begin with the signature.
pub(crate) fn read(bytes: &[u8]) -> Result<Beginning, HeaderError> {
    let window = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes);
    let end = window.windows(LINE_END.len()).position(|pair| pair == LINE_END);
    let Some(end) = end else {
        return if window.len() < MAX_LINE_BYTES { Ok(Beginning::Part) } else { Err(HeaderError::LongLine) };
    };

    let line = window.get(SIGNATURE.len()..end).unwrap_or_default();
    Ok(Beginning::Header(Header { origin: origin(line)?, bytes: end + LINE_END.len() }))
}

/// The origin of a line without its signature and its end.
fn origin(line: &[u8]) -> Result<Origin, HeaderError> {
    // What follows UNKNOWN may be anything.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Origin::Socket);
    }

    let line = str::from_utf8(line).map_err(|_| HeaderError::Protocol)?;
    let (protocol, fields) = line.split_once(' ').ok_or(HeaderError::Protocol)?;
    match protocol {
        "TCP4" => peer::<Ipv4Addr>(fields),
        "TCP6" => peer::<Ipv6Addr>(fields),
        _ => Err(HeaderError::Protocol),
    }
}

/// Two addresses and two ports, of which the first ones are the peer's.
fn peer<A: FromStr<Err = AddrParseError> + Into<IpAddr>>(fields: &str) -> Result<Origin, HeaderError> {
    let mut fields = fields.split(' ');
    let mut next = || fields.next().ok_or(HeaderError::Fields);
    let (source, destination, source_port, destination_port) = (next()?, next()?, next()?, next()?);
    if fields.next().is_some() {
        return Err(HeaderError::Fields);
    }

    let (source, _): (A, A) = (source.parse()?, destination.parse()?);
    let (source_port, _) = (port(source_port)?, port(destination_port)?);
    Ok(Origin::Peer(SocketAddr::new(source.into(), source_port)))
}

fn port(digits: &str) -> Result<u16, HeaderError> {
    let is_canonical = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    digits.parse().ok().filter(|_| is_canonical).ok_or(HeaderError::Port)
}
