//! What sessions and the owners of their transports hand each other.

use crate::Fault;

/// A transport of one session, named by the session. Never used twice in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub(crate) u32);

impl std::fmt::Display for TransportId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "transport {}", self.0)
    }
}

/// A new transport of a session and the first bytes to send on it.
#[derive(Debug)]
pub struct Dial {
    /// Its name.
    pub transport: TransportId,
    /// What to send first.
    pub bytes: Vec<u8>,
}

/// What reading a transport has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Received {
    /// New bytes of the stream, at the front of what was handed in.
    pub bytes: usize,
    /// Why the transport is of no more use, if it is. They come from before that.
    pub fault: Option<Fault>,
}
