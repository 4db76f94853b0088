//! The way in, as far as it needs no state of a worker: limits, pending handshakes and their turns, first bytes, the
//! server handshake, and why streams are rejected. `worker::accept` is what acts.

pub(crate) mod acceptance;
pub(crate) mod acceptor;
pub(crate) mod admission;
pub(crate) mod first_bytes;
mod newest_resumes;
pub(crate) mod pending;
pub(crate) mod port_kinds;
pub(crate) mod proxy_header;
pub(crate) mod rates;
pub(crate) mod refusal;
pub(crate) mod rejection;
pub(crate) mod rejection_counts;
pub(crate) mod resume_end;
pub(crate) mod retry_after;
pub(crate) mod server_handshake;
pub(crate) mod stream;
pub(crate) mod turns;

pub(crate) use admission::Admission;
pub(crate) use rates::Rates;
pub use refusal::RefusalKind;
pub use rejection::RejectionKind;
pub use rejection_counts::RejectionCounts;
pub use resume_end::ResumeEnd;
