//! What opens and resumes are refused with, for counting.

use fastway_service::kinds;
use fastway_session::Status;

kinds! {
    /// A [`Status`] with which opens and resumes are refused.
    pub enum RefusalKind {
        /// [`Status::Unknown`]
        Unknown = "unknown",
        /// [`Status::Expired`]
        Expired = "expired",
        /// [`Status::NotAuthentic`]
        NotAuthentic = "not_authentic",
        /// [`Status::StaleAttempt`]
        StaleAttempt = "stale_attempt",
        /// [`Status::DataGap`]
        DataGap = "data_gap",
        /// [`Status::Draining`]
        Draining = "draining",
        /// [`Status::Overloaded`]
        Overloaded = "overloaded",
        /// [`Status::NotAdmitted`]
        NotAdmitted = "not_admitted",
    }
}

impl From<Status> for RefusalKind {
    fn from(status: Status) -> Self {
        match status {
            Status::Unknown => Self::Unknown,
            Status::Expired => Self::Expired,
            Status::NotAuthentic => Self::NotAuthentic,
            Status::StaleAttempt => Self::StaleAttempt,
            Status::DataGap => Self::DataGap,
            Status::Draining => Self::Draining,
            Status::Overloaded => Self::Overloaded,
            Status::NotAdmitted => Self::NotAdmitted,
        }
    }
}
