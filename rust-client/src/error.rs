//! What can go wrong, and what to do about it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use fastway_wire::ServerId;

use crate::{CloseReason, LinkEnd, Remote};

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is {value}; it has to be at least {least}")]
pub struct ConfigError {
    /// Name of the field of [`LinkConfig`](crate::LinkConfig).
    pub name: &'static str,
    /// Its value.
    pub value: usize,
    /// The smallest value that works.
    pub least: usize,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Called outside of a tokio runtime, which the link's task needs.
    #[error("there is no tokio runtime here; call it from one, with I/O and time enabled")]
    NoRuntime,
    /// The address could not be resolved.
    #[error("the gateway's address {addr:?} cannot be resolved (host:port is needed): {source}")]
    Address {
        /// The address as it was given.
        addr: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No gateway listens there, or the network does not let us through.
    #[error("no connection to the gateway at {addr}: {source}")]
    Unreachable {
        /// The address as it was given.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// It took longer than `connect_timeout`.
    #[error("the gateway did not complete the connection within {after:?}")]
    TimedOut {
        /// The time-out.
        after: Duration,
    },
    /// The gateway closed the link when it had seen our answer to its challenge.
    #[error("the gateway turned server {server} away: it has another key, or is being stopped")]
    WrongKey {
        /// Who we said we are.
        server: ServerId,
    },
    /// The stream failed or ended before the handshake was complete. A gateway's client port never starts a handshake,
    /// so check that the address is the server port.
    #[error("the link ended during the handshake: {0}")]
    Handshake(LinkEnd),
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The gateway said no.
    #[error("the gateway refused the dial: {remote} is not there, or a limit of connections is reached")]
    Refused {
        /// Who was dialed.
        remote: Remote,
    },
    /// The gateway did not answer in time. If it does later, that connection is closed at once.
    #[error("no answer to the dial of {remote} within {after:?}")]
    TimedOut {
        /// Who was dialed.
        remote: Remote,
        /// The time-out.
        after: Duration,
    },
    /// The link ended first.
    #[error(transparent)]
    LinkClosed(#[from] LinkEnd),
}

/// Why a message was not sent. Nothing of it is on its way.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended.
    #[error(transparent)]
    Closed(#[from] CloseReason),
    /// The gateway would close the link for it.
    #[error("a message of {bytes} bytes is too long; at most {max} fit into max_packet")]
    TooLong {
        /// Length of the message.
        bytes: usize,
        /// Longest message.
        max: usize,
    },
}

/// Why a message was not sent at once, or not in time. Nothing of it is on its way.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// Too much waits for the socket already: our own link is held up.
    #[error("the link is held up: more than send_buffer_bytes wait for the socket")]
    HeldUp(Bytes),
    /// It could not be sent later either.
    #[error(transparent)]
    Failed(#[from] SendError),
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::Closed(_) => io::ErrorKind::BrokenPipe,
            SendError::TooLong { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
