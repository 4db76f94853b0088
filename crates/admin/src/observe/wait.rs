//! For how long something was held up, by reason.

use std::time::Duration;

/// What holds a link up, by the label under which it is shown. A gateway may have further ones than those that are named
/// here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitReason(&'static str);

/// How often and for how long something was held up for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What holds it up.
    pub reason: WaitReason,
    /// Times that it began.
    pub count: u64,
    /// Time in all, the one that lasts included.
    pub total: Duration,
    /// How long it has lasted, if it has not ended.
    pub lasting: Option<Duration>,
}

impl WaitReason {
    /// More waits in the link's outbox than its bounds allow: the peer takes too little.
    pub const OUTBOX_FULL: Self = Self("outbox_full");
    /// The link is not read until there is room behind what it feeds.
    pub const PAUSED_SOURCE: Self = Self("paused_source");
    /// The link is not read until its peer takes the answers to its own requests.
    pub const UNREAD_ANSWERS: Self = Self("unread_answers");
    /// The link is not read for a while: it has sent what `--max-bytes-per-second` allows.
    pub const BYTE_RATE: Self = Self("byte_rate");
    /// The system took less than there was to send.
    pub const SLOW_WRITE: Self = Self("slow_write");
    /// Its session has lost its transport, and waits for another one.
    pub const NO_TRANSPORT: Self = Self("no_transport");

    /// Those that mean something here: whoever looks for troubles tells them apart.
    pub const KNOWN: [Self; 6] = [
        Self::OUTBOX_FULL,
        Self::PAUSED_SOURCE,
        Self::UNREAD_ANSWERS,
        Self::BYTE_RATE,
        Self::SLOW_WRITE,
        Self::NO_TRANSPORT,
    ];

    /// The reason with this label.
    pub const fn new(label: &'static str) -> Self {
        Self(label)
    }

    /// The label.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl Wait {
    /// Adds what another one has, except that it lasts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
    }
}
