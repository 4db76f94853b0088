//! What becomes of handshakes and resumes.

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

/// What became of a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeEnd {
    /// The session goes on by it.
    Resumed,
    /// It was replied to, and never proven: its peer left or took too long, another resume was proven before, or there were
    /// too many.
    NotProven,
    /// It was refused.
    Refused,
}

impl ResumeEnd {
    /// Every outcome, in the order of its index.
    pub const ALL: [Self; 3] = [Self::Resumed, Self::NotProven, Self::Refused];

    /// Its place in [`ResumeEnd::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::NotProven => "not_proven",
            Self::Refused => "refused",
        }
    }
}

/// Why a handshake gets no turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoTurn {
    /// Another one took its place.
    Dropped,
    /// It has taken as long as a handshake may take.
    TooSlow,
    /// Its peer has left.
    Left,
}
