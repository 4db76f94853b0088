//! What sessions are, and what an acceptor allows them.

use std::time::Duration;

use crate::legacy::message as legacy;
use crate::secure::message as secure;

/// The protocol of a link, by its first byte (`docs/protocol.md` §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The mux protocol, in the open.
    Plain,
    /// A legacy session.
    Legacy,
    /// A secure session.
    Secure,
}

impl Protocol {
    /// Every protocol, in the order of its index.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Legacy, Self::Secure];

    /// Its place in [`Protocol::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Legacy => "legacy",
            Self::Secure => "secure",
        }
    }

    /// What the first byte says.
    pub const fn of(first_byte: u8) -> Self {
        match first_byte {
            secure::OPEN | secure::RESUME => Self::Secure,
            legacy::NEW | legacy::RECONNECT => Self::Legacy,
            _ => Self::Plain,
        }
    }
}

/// Who proves what when a secure session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Nobody proves anything.
    Nn,
    /// The acceptor proves that it is the one whose public key the initiator knows.
    Nk,
}

impl Pattern {
    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::Nn => 0,
            Self::Nk => 1,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Nn),
            1 => Some(Self::Nk),
            _ => None,
        }
    }
}

/// Times and bounds of an acceptor's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Within which a transport must be proven, after its reply was made.
    pub handshake_time: Duration,
    /// For how long a session waits without a transport.
    pub wait: Duration,
    /// What legacy sessions are told.
    pub legacy: LegacyConfig,
}

/// How a legacy session is spoken: both ends have to be set alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyConfig {
    /// Whether the stream is encrypted, and not just the session's number.
    pub encrypt: bool,
    /// How many of the last bytes sent are kept to be sent again.
    pub replay_bytes: usize,
}
