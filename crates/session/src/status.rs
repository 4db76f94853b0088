//! Reasons: of a refusal (`docs/protocol.md` §3.1), an abort (§3.2), the loss of a transport, the end of a session.

use crate::SessionError;

/// What an acceptor answers to an open or a resume (`docs/protocol.md` §3.1). It is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Status {
    /// No session has this id, or its ticket was replaced by a newer one.
    #[error("no session has this id")]
    Unknown = 1,
    /// The session waited too long, or was ended to make room.
    #[error("the session waited too long, or was ended to make room")]
    Expired = 2,
    /// The first message was not made with the session's secret, or is malformed.
    #[error("the first message was not made with the session's secret")]
    NotAuthentic = 3,
    /// An attempt with this or a higher number came before.
    #[error("an attempt with this or a higher number came before")]
    StaleAttempt = 4,
    /// A count is outside of the range from which the other end can continue.
    #[error("the counts do not fit")]
    DataGap = 5,
    /// The gateway is about to stop.
    #[error("the gateway is about to stop")]
    Draining = 6,
    /// A bound on links or handshakes is reached. A retry-after time may follow.
    #[error("the gateway is overloaded")]
    Overloaded = 7,
    /// The policy of the port does not admit this kind of session, or its pattern is unknown.
    #[error("the gateway does not admit this kind of session here")]
    NotAdmitted = 8,
}

impl Status {
    pub(crate) const OK: u8 = 0;

    /// The status of a byte on the wire; `None` for 0 and for statuses of later versions.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Unknown,
            2 => Self::Expired,
            3 => Self::NotAuthentic,
            4 => Self::StaleAttempt,
            5 => Self::DataGap,
            6 => Self::Draining,
            7 => Self::Overloaded,
            8 => Self::NotAdmitted,
            _ => return None,
        })
    }

    /// Whether the acceptor refuses further attempts as well, if the status is genuine: an attacker may have written
    /// it.
    pub const fn would_be_final(self) -> bool {
        !matches!(self, Self::StaleAttempt | Self::Overloaded)
    }
}

/// Why one end aborts a session (`docs/protocol.md` §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// None is given.
    Unspecified,
    /// The other end broke the protocol.
    PeerFault,
    /// The gateway stops.
    Shutdown,
    /// A bound was exceeded.
    Overflow,
    /// An operator decided so.
    Operator,
    /// The other end took too little of its pending data.
    TooSlow,
    /// A newer link registered the same server ID.
    Replaced,
    /// A reason of a later version.
    Other(u8),
}

impl AbortReason {
    /// The byte of the reason on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::PeerFault => 1,
            Self::Shutdown => 2,
            Self::Overflow => 3,
            Self::Operator => 4,
            Self::TooSlow => 5,
            Self::Replaced => 6,
            Self::Other(byte) => byte,
        }
    }

    /// The reason of a byte on the wire.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Unspecified,
            1 => Self::PeerFault,
            2 => Self::Shutdown,
            3 => Self::Overflow,
            4 => Self::Operator,
            5 => Self::TooSlow,
            6 => Self::Replaced,
            other => Self::Other(other),
        }
    }
}

impl std::fmt::Display for AbortReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unspecified => write!(f, "no reason given"),
            Self::PeerFault => write!(f, "the other end broke the protocol"),
            Self::Shutdown => write!(f, "the gateway stops"),
            Self::Overflow => write!(f, "a bound was exceeded"),
            Self::Operator => write!(f, "an operator decided so"),
            Self::TooSlow => write!(f, "the receiver was too slow"),
            Self::Replaced => write!(f, "a newer link registered the same server ID"),
            Self::Other(byte) => write!(f, "reason {byte}"),
        }
    }
}

/// Why a transport has failed. The session continues without it, unless the session has ended as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The session does not know the transport: a newer one replaced it, or the session has ended.
    #[error("the transport was replaced, or its session is over")]
    Replaced,
    /// A length is out of bounds.
    #[error("a message claims {len} bytes")]
    BadLength {
        /// The length.
        len: u16,
    },
    /// A message was altered, or was not made with the right key.
    #[error("a message is not authentic")]
    NotAuthentic,
    /// The acceptor refused the attempt.
    #[error("refused: {0}")]
    Refused(Status),
    /// The acceptor refused with a status unknown to this version.
    #[error("refused with status {0}")]
    RefusedOtherwise(u8),
    /// The session has ended.
    #[error("the session is over: {0}")]
    Over(End),
    /// All nonces of the transport's key are used.
    #[error("the keys of this transport are worn out")]
    WornOut,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// Both ends have closed, and everything has arrived.
    #[error("both ends have closed")]
    Closed,
    /// The other end aborted it.
    #[error("the other end aborted the session: {0}")]
    AbortedByPeer(AbortReason),
    /// This end aborted it.
    #[error("this end aborted the session: {0}")]
    Aborted(AbortReason),
    /// The acceptor refused too many attempts to resume.
    #[error("the session cannot be resumed: {0}")]
    Refused(Status),
    /// The session was without a transport for longer than its wait time.
    #[error("the session waited too long for a transport")]
    Expired,
    /// The other end sent something authentic that breaks the protocol.
    #[error("the other end broke the protocol: {0}")]
    PeerFault(#[from] SessionError),
}
