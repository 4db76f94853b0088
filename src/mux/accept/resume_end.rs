//! What becomes of resumes, for counting.

use fastway_service::kinds;

kinds! {
    /// What became of a resume.
    pub enum ResumeEnd {
        /// The session goes on by it.
        Resumed = "resumed",
        /// It was replied to, and never proven: its peer left or took too long, another resume was proven before, or there were
        /// too many.
        NotProven = "not_proven",
        /// It was refused.
        Refused = "refused",
    }
}
