//! Why streams are turned away where sessions are admitted, and how that is counted.

use std::io;

use fastway_session::{HelloError, Status};

use crate::first_bytes::Mistake;
use crate::handshake::HandshakeFailure;
use crate::worker::pending::NoTurn;

/// Why a stream did not become a link, nor went on with a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the peer left during the handshake: {0}")]
    Lost(#[from] io::Error),
    #[error("the peer did not finish the handshake in time")]
    TooSlow,
    #[error("too many handshakes (--max-handshakes, --max-handshakes-per-address): dropped the oldest for another one")]
    Dropped,
    #[error("bad first message: {0}")]
    Malformed(#[from] HelloError),
    #[error(transparent)]
    NotAdmitted(#[from] Mistake),
    #[error("refused: {0}")]
    Refused(Status),
    #[error("the peer did not prove that it has read the reply")]
    NotProven,
    #[error("the server handshake failed: {0}")]
    Server(HandshakeFailure),
}

/// How handshakes of sessions fail, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalEnd {
    /// The peer left.
    Lost,
    /// The peer took too long.
    TooSlow,
    /// Dropped as the oldest of too many.
    Dropped,
    /// The first message made no sense.
    Malformed,
    /// The policy of the port does not admit this kind of link.
    NotAdmitted,
    /// Refused with a status.
    Refused,
    /// The peer did not prove that it has read the reply.
    NotProven,
    /// The peer is no game server: the server handshake inside the session failed.
    NoServer,
}

impl ArrivalEnd {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; 8] = [
        Self::Lost,
        Self::TooSlow,
        Self::Dropped,
        Self::Malformed,
        Self::NotAdmitted,
        Self::Refused,
        Self::NotProven,
        Self::NoServer,
    ];

    /// Its place in [`ArrivalEnd::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::TooSlow => "too_slow",
            Self::Dropped => "dropped",
            Self::Malformed => "malformed",
            Self::NotAdmitted => "not_admitted",
            Self::Refused => "refused",
            Self::NotProven => "not_proven",
            Self::NoServer => "no_server",
        }
    }
}

impl From<NoTurn> for Failure {
    fn from(no_turn: NoTurn) -> Self {
        match no_turn {
            NoTurn::Dropped => Self::Dropped,
            NoTurn::TooSlow => Self::TooSlow,
            NoTurn::Left => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
        }
    }
}

impl Failure {
    /// The failure without its particulars.
    pub(super) const fn kind(&self) -> ArrivalEnd {
        match self {
            Self::Lost(_) => ArrivalEnd::Lost,
            Self::TooSlow => ArrivalEnd::TooSlow,
            Self::Dropped => ArrivalEnd::Dropped,
            Self::Malformed(_) => ArrivalEnd::Malformed,
            Self::NotAdmitted(_) | Self::Refused(Status::NotAdmitted) => ArrivalEnd::NotAdmitted,
            Self::Refused(_) => ArrivalEnd::Refused,
            Self::NotProven => ArrivalEnd::NotProven,
            Self::Server(_) => ArrivalEnd::NoServer,
        }
    }
}
