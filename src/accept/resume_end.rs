//! What becomes of resumes, for counting.

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
