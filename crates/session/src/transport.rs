//! Types that a session and the owner of its transports exchange.

use crate::Fault;

/// A transport of one session, named by the session. Never used twice in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub(crate) u32);

impl std::fmt::Display for TransportId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "transport {}", self.0)
    }
}

/// A new transport of a session, with its first bytes.
#[derive(Debug)]
pub struct Dial {
    /// The id of the transport.
    pub transport: TransportId,
    /// The first bytes to send on it.
    pub bytes: Vec<u8>,
}

/// The result of reading from a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Received {
    /// Number of new bytes of the stream, at the front of the buffer.
    pub bytes: usize,
    /// The reason why the transport has failed, if it has. The new bytes came before that.
    pub fault: Option<Fault>,
}
