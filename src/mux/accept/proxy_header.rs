//! What the first bytes of a stream mean on a port that takes headers of the PROXY protocol (`docs/protocol.md` §3.7).

use std::time::Duration;

use fastway_proxy_protocol::{Beginning, Header, HeaderError, Signature, read, signature};

use super::pending::NoTurn;
use crate::mux::config::ProxyProtocol;

/// What has come, as far as the header goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headed {
    /// Not enough to tell.
    Part,
    /// No header, and none is needed.
    Without,
    /// A header that counts.
    With(Header),
}

/// Why a stream did not get past its header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyFault {
    /// Anybody can write any address into a header.
    #[error(
        "sent a PROXY header, and --proxy-trusted does not have its address: headers of strangers are not believed"
    )]
    Spoofed,
    /// The port is for trusted proxies alone.
    #[error("this port takes connections of trusted proxies alone, and --proxy-trusted does not have this address")]
    Stranger,
    /// A trusted proxy sends none, where it has to.
    #[error("no PROXY header, which this port demands: is the proxy configured to send one (HAProxy: send-proxy)?")]
    Missing,
    /// A trusted proxy sends something that is none.
    #[error("bad PROXY header: {0}")]
    Bad(#[from] HeaderError),
    /// There are two of them, of two proxies or of a peer that tries.
    #[error("a second PROXY header behind the first: one proxy alone may send it")]
    Second,
    /// It took too long.
    #[error("no PROXY header with a first byte behind it within {within:?}")]
    Late {
        /// The time that it had.
        within: Duration,
    },
    /// It had to make room for another one.
    #[error(
        "too many handshakes (--max-handshakes, --max-handshakes-per-address): dropped before its PROXY header had come"
    )]
    Dropped,
    /// It ended before the first byte behind the header, as the health checks of proxies do. Nobody is at fault.
    #[error("ended before its first byte, as a health check does")]
    Unused,
}

/// Judges the first bytes of a stream, as many as have come.
///
/// # Errors
/// The stream must be closed.
pub(crate) fn judge(mode: ProxyProtocol, is_trusted: bool, first: &[u8]) -> Result<Headed, ProxyFault> {
    let is_required = mode == ProxyProtocol::Required;
    if is_trusted {
        return match read(first)? {
            Beginning::Part => Ok(Headed::Part),
            Beginning::Header(header) => Ok(Headed::With(header)),
            Beginning::Other if is_required => Err(ProxyFault::Missing),
            Beginning::Other => Ok(Headed::Without),
        };
    }

    match signature(first) {
        Signature::V1 | Signature::V2 => Err(ProxyFault::Spoofed),
        _ if is_required => Err(ProxyFault::Stranger),
        Signature::Part => Ok(Headed::Part),
        Signature::Absent => Ok(Headed::Without),
    }
}

/// Judges what follows a header; false if it is not enough to tell.
///
/// # Errors
/// It is another header.
pub(crate) fn is_no_second(rest: &[u8]) -> Result<bool, ProxyFault> {
    match signature(rest) {
        Signature::V1 | Signature::V2 => Err(ProxyFault::Second),
        Signature::Part => Ok(false),
        Signature::Absent => Ok(true),
    }
}

impl From<NoTurn> for ProxyFault {
    fn from(no_turn: NoTurn) -> Self {
        match no_turn {
            NoTurn::TooSlow { within } => Self::Late { within },
            NoTurn::Dropped | NoTurn::Replaced | NoTurn::Left => Self::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use fastway_proxy_protocol::Origin;

    use super::*;

    const FRAME: &[u8] = b"P\0\0\0\0\0\0\0";
    const V1: &[u8] = b"PROXY UNKNOWN\r\n";
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    #[test]
    fn headers_of_strangers_are_refused_and_those_of_trusted_peers_read() {
        use ProxyProtocol::{Optional, Required};
        let with = |bytes| Ok(Headed::With(Header { origin: Origin::Socket, bytes }));
        for (mode, is_trusted, first, expected) in [
            (Optional, true, &b""[..], Ok(Headed::Part)),
            (Optional, true, b"PROX", Ok(Headed::Part)),
            (Optional, true, FRAME, Ok(Headed::Without)),
            (Optional, true, V1, with(V1.len())),
            (Optional, true, V2, with(V2.len())),
            (Optional, true, b"PROXY TCP9 \r\n", Err(HeaderError::Protocol.into())),
            (Optional, false, b"", Ok(Headed::Part)),
            (Optional, false, b"PROX", Ok(Headed::Part)),
            (Optional, false, FRAME, Ok(Headed::Without)),
            (Optional, false, b"PROXY ", Err(ProxyFault::Spoofed)),
            (Optional, false, V2, Err(ProxyFault::Spoofed)),
            (Required, true, b"", Ok(Headed::Part)),
            (Required, true, FRAME, Err(ProxyFault::Missing)),
            (Required, true, V1, with(V1.len())),
            (Required, false, b"", Err(ProxyFault::Stranger)),
            (Required, false, FRAME, Err(ProxyFault::Stranger)),
            (Required, false, V1, Err(ProxyFault::Spoofed)),
        ] {
            assert_eq!(judge(mode, is_trusted, first), expected, "{mode:?}, {is_trusted}, {}", first.escape_ascii());
        }
    }

    #[test]
    fn a_second_header_is_refused() {
        for (rest, expected) in [
            (&b""[..], Ok(false)),
            (b"PROX", Ok(false)),
            (FRAME, Ok(true)),
            (b"\0", Ok(true)),
            (V1, Err(ProxyFault::Second)),
            (V2, Err(ProxyFault::Second)),
        ] {
            assert_eq!(is_no_second(rest), expected, "{}", rest.escape_ascii());
        }
    }
}
