//! For how long something was held up, by reason.

use std::time::Duration;

use fastway_service::{PerKind, kinds};

kinds! {
    /// What can hold a link up.
    pub enum WaitReason {
        /// More waits in the link's outbox than its bounds allow: the peer takes too little.
        OutboxFull = "outbox_full",
        /// The link is not read until there is room behind what it feeds.
        PausedSource = "paused_source",
        /// The link is not read until its peer takes the answers to its own requests.
        UnreadAnswers = "unread_answers",
        /// The link is not read until the next sweep: it has sent what `--max-bytes-per-second` allows.
        ByteRate = "byte_rate",
        /// The system took less than there was to send.
        SlowWrite = "slow_write",
        /// Its session has lost its transport, and waits for another one.
        NoTransport = "no_transport",
    }
}

/// How often and for how long something was held up for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Times that it began.
    pub count: u64,
    /// Time in all, the one that lasts included.
    pub total: Duration,
    /// How long it has lasted, if it has not ended.
    pub lasting: Option<Duration>,
}

/// The waits of a link by [`WaitReason`].
pub type WaitReport = PerKind<WaitReason, Wait>;

impl Wait {
    /// Adds what another one has, except that it lasts.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.total += other.total;
    }
}
