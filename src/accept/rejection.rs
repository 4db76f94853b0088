//! Why streams are turned away where sessions are admitted, and how that is counted.

use std::io;

use fastway_session::{HelloError, Status};

use crate::accept::first_bytes::Mistake;
use crate::accept::outcome::{ArrivalEnd, NoTurn};
use crate::accept::server_handshake::HandshakeFailure;

/// Why a stream did not become a link, nor went on with a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
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
    pub(crate) const fn kind(&self) -> ArrivalEnd {
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
