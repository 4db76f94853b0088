//! Why streams are rejected on their way in.

use std::io;
use std::time::Duration;

use fastway_service::{AddressPrefix, kinds};
use fastway_session::{HelloError, Status};

use super::first_bytes::Mistake;
use super::pending::NoTurn;
use super::proxy_header::ProxyFault;
use super::server_handshake::ServerHandshakeError;

/// Why a stream did not become a link, nor went on with a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// There are as many client links as there may be.
    #[error("there are {limit} client links already (--max-links)")]
    TooManyLinks {
        /// The limit.
        limit: usize,
    },
    /// The address has as many client links as it may have.
    #[error("{prefix} has {limit} links already (--max-links-per-address)")]
    TooManyFromAddress {
        /// Where the link comes from.
        prefix: AddressPrefix,
        /// The limit.
        limit: usize,
    },
    /// The stream could not be handed to its worker.
    #[error(transparent)]
    Handover(io::Error),
    /// The process had no descriptor for it.
    #[error(transparent)]
    NoDescriptor(io::Error),
    /// The network dropped the stream, or the peer closed it.
    #[error("the peer left during the handshake: {0}")]
    Lost(#[from] io::Error),
    /// The same, before the peer had sent a byte.
    #[error("the peer left during the handshake: {0}")]
    Silent(io::Error),
    /// The stream did not get past its PROXY header.
    #[error(transparent)]
    Proxy(#[from] ProxyFault),
    /// The peer took too long.
    #[error("the peer did not finish the handshake within {within:?}")]
    TooSlow {
        /// The time that it had.
        within: Duration,
    },
    /// It had to make room for another one.
    #[error("too many handshakes (--max-handshakes, --max-handshakes-per-address): dropped the oldest for another one")]
    Dropped,
    /// The first message makes no sense.
    #[error("bad first message: {0}")]
    Malformed(#[from] HelloError),
    /// The port does not admit what the peer came with.
    #[error(transparent)]
    NotAdmitted(#[from] Mistake),
    /// What the peer asked for was refused with a status.
    #[error("refused: {0}")]
    Refused(Status),
    /// The peer did not prove that it has read the reply.
    #[error("the peer did not prove that it has read the reply")]
    NotProven,
    /// A peer with a plain link did not answer the challenge as a game server does.
    #[error(transparent)]
    WrongKey(ServerHandshakeError),
    /// A peer with a session did not answer the challenge as a game server does.
    #[error("the server handshake failed: {0}")]
    NoServer(ServerHandshakeError),
}

kinds! {
    /// Why streams are rejected, for counting and for the log's limits.
    pub enum RejectionKind {
        /// [`Rejection::TooManyLinks`]
        MaxLinks = "max_links",
        /// [`Rejection::TooManyFromAddress`]
        MaxLinksPerAddress = "max_links_per_address",
        /// [`Rejection::Handover`]
        Handover = "handover",
        /// [`Rejection::NoDescriptor`]
        Descriptors = "descriptors",
        /// [`Rejection::Lost`], [`Rejection::Silent`]
        Lost = "lost",
        /// [`Rejection::TooSlow`]
        TooSlow = "too_slow",
        /// [`Rejection::Dropped`]
        Dropped = "dropped",
        /// [`Rejection::WrongKey`]
        WrongKey = "wrong_key",
        /// [`Rejection::Malformed`]
        Malformed = "malformed",
        /// [`Rejection::NotAdmitted`], or a refusal with that status.
        NotAdmitted = "not_admitted",
        /// [`Rejection::Refused`]
        Refused = "refused",
        /// [`Rejection::NotProven`]
        NotProven = "not_proven",
        /// [`Rejection::NoServer`]
        NoServer = "no_server",
        /// [`ProxyFault::Spoofed`], [`ProxyFault::Stranger`]
        Untrusted = "untrusted",
        /// [`ProxyFault::Missing`]
        NoHeader = "no_header",
        /// [`ProxyFault::Bad`], [`ProxyFault::Second`]
        BadHeader = "bad_header",
        /// [`ProxyFault::Late`]
        LateHeader = "late_header",
        /// [`ProxyFault::Dropped`]
        HeaderDropped = "header_dropped",
        /// [`ProxyFault::Unused`]
        Unused = "unused",
    }
}

impl Rejection {
    /// The rejection of a peer with a plain link that is no game server.
    pub(crate) fn of_plain_server(error: ServerHandshakeError) -> Self {
        match error {
            ServerHandshakeError::Lost(error) => Self::Lost(error),
            ServerHandshakeError::Silent(error) => Self::Silent(error),
            ServerHandshakeError::Denied(_) | ServerHandshakeError::Mistaken(_) => Self::WrongKey(error),
        }
    }

    /// The rejection without its particulars.
    pub(crate) const fn kind(&self) -> RejectionKind {
        match self {
            Self::TooManyLinks { .. } => RejectionKind::MaxLinks,
            Self::TooManyFromAddress { .. } => RejectionKind::MaxLinksPerAddress,
            Self::Handover(_) => RejectionKind::Handover,
            Self::NoDescriptor(_) => RejectionKind::Descriptors,
            Self::Lost(_) | Self::Silent(_) => RejectionKind::Lost,
            Self::Proxy(fault) => of_header(fault),
            Self::TooSlow { .. } => RejectionKind::TooSlow,
            Self::Dropped => RejectionKind::Dropped,
            Self::WrongKey(_) => RejectionKind::WrongKey,
            Self::Malformed(_) => RejectionKind::Malformed,
            Self::NotAdmitted(_) | Self::Refused(Status::NotAdmitted) => RejectionKind::NotAdmitted,
            Self::Refused(_) => RejectionKind::Refused,
            Self::NotProven => RejectionKind::NotProven,
            Self::NoServer(_) => RejectionKind::NoServer,
        }
    }
}

const fn of_header(fault: &ProxyFault) -> RejectionKind {
    match fault {
        ProxyFault::Spoofed | ProxyFault::Stranger => RejectionKind::Untrusted,
        ProxyFault::Missing => RejectionKind::NoHeader,
        ProxyFault::Bad(_) | ProxyFault::Second => RejectionKind::BadHeader,
        ProxyFault::Late { .. } => RejectionKind::LateHeader,
        ProxyFault::Dropped => RejectionKind::HeaderDropped,
        ProxyFault::Unused => RejectionKind::Unused,
    }
}

impl From<NoTurn> for Rejection {
    fn from(no_turn: NoTurn) -> Self {
        match no_turn {
            NoTurn::Dropped => Self::Dropped,
            NoTurn::TooSlow { within } => Self::TooSlow { within },
            NoTurn::Replaced => Self::Refused(Status::StaleAttempt),
            NoTurn::Left => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
        }
    }
}
