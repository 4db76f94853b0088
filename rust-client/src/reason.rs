//! Reasons for the end of links and connections.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fastway_session::End as SessionEnd;
use fastway_wire::{ClientId, CommandError, ConnId, FrameError, ServerId};

/// Why a link has ended, and with it every connection on it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkEnd {
    /// `close` was called on the endpoint, and the gateway has agreed: it has all that was sent. (Connections end with
    /// this as soon as `close` is called.)
    #[error("this side closed the link")]
    Closed,
    /// `close` was called on the endpoint, but the gateway did not agree within `close_grace`: the last messages may
    /// be lost.
    #[error("this side closed the link, but the gateway did not agree in time; {unsent_bytes} bytes were not sent")]
    Unconfirmed {
        /// Bytes that still waited for the socket.
        unsent_bytes: usize,
    },
    /// The endpoint was dropped; keep it alive as long as its connections are used.
    #[error("the endpoint was dropped, and with it its link")]
    Dropped,
    /// The gateway ended the stream: it was stopped, or it has logged why it closed this link.
    #[error("the gateway closed the link; its log says why")]
    Gateway,
    /// The stream failed.
    #[error("the link to the gateway was lost: {0}")]
    Lost(Arc<io::Error>),
    /// The session under the link is over: it could not be resumed, waited too long, or was ended by the gateway.
    #[error("the session with the gateway is lost: {0}")]
    SessionLost(SessionEnd),
    /// The gateway was pinged, and sent nothing.
    #[error("the gateway has not answered a ping for {silent_for:?}, so the link was given up")]
    Silent {
        /// The ping intervals without a byte, together.
        silent_for: Duration,
    },
    /// The gateway broke the protocol.
    #[error("the link was closed: {0}")]
    Protocol(#[from] ProtocolFault),
    /// The tokio runtime that the endpoint was made in has been shut down.
    #[error("the tokio runtime of the endpoint was shut down")]
    RuntimeStopped,
}

impl From<io::Error> for LinkEnd {
    fn from(error: io::Error) -> Self {
        let session = error.get_ref().and_then(|inner| inner.downcast_ref());
        session.copied().map_or_else(|| Self::Lost(Arc::new(error)), Self::SessionLost)
    }
}

/// A violation of the protocol by the gateway (`docs/protocol.md` §1). Most often the peer is not a gateway, or is the
/// other port of one, or has a larger MaxPacket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolFault {
    /// A frame with a length out of bounds. If it is too long, set this side's `max_packet` to the gateway's MaxPacket.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An invalid command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The gateway's refusal of a link that its port does not admit.
    #[error("the gateway admits no plain links on this port, but sessions (its --client-link or --server-link)")]
    NotAdmitted,
    /// A command that only clients and servers send.
    #[error("the gateway sent a Dial; only clients and servers dial")]
    DialFromGateway,
    /// An answer to a dial that was never made.
    #[error("the gateway answered a dial of {remote}, and none was waiting for an answer")]
    UnexpectedAnswer {
        /// The remote ID in the answer.
        remote: u32,
    },
    /// A new connection with an ID in use, or with the ID of commands.
    #[error("the gateway opened a connection with ID {conn}, which is in use or no connection's")]
    BadConnId {
        /// The ID.
        conn: ConnId,
    },
}

/// Why a connection has ended. What was received before can still be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it, or dropped it.
    #[error("this side closed the connection")]
    Local,
    /// The other end closed it or is gone, or the gateway closed it.
    #[error("the other end closed the connection")]
    Remote,
    /// The receive queue reached a bound of [`ReceiveQueue`](crate::ReceiveQueue), under
    /// [`WhenFull::CloseConnection`](crate::WhenFull::CloseConnection).
    #[error("the connection was closed: its receive queue was full ({messages} messages, {bytes} bytes)")]
    QueueFull {
        /// Messages that waited.
        messages: usize,
        /// Bytes that waited, with 8 bytes of header per message.
        bytes: usize,
    },
    /// The link under it ended.
    #[error(transparent)]
    Link(#[from] LinkEnd),
}

/// The dialed end: clients dial servers, servers dial clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A client, by the ID that the gateway gave its link.
    Client(ClientId),
    /// A game server, by the ID that it registered.
    Server(ServerId),
}

impl Remote {
    pub(crate) fn get(self) -> u32 {
        match self {
            Self::Client(id) => id.get(),
            Self::Server(id) => id.get(),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client {id}"),
            Self::Server(id) => write!(f, "server {id}"),
        }
    }
}
