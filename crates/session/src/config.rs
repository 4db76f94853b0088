//! Protocols and patterns of sessions, and an acceptor's limits.

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

    /// Its index in [`Protocol::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in logs, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Legacy => "legacy",
            Self::Secure => "secure",
        }
    }

    /// The protocol of a link that begins with this byte.
    pub const fn of(first_byte: u8) -> Self {
        match first_byte {
            secure::OPEN | secure::RESUME => Self::Secure,
            legacy::NEW | legacy::RECONNECT => Self::Legacy,
            _ => Self::Plain,
        }
    }
}

/// The proof of identity in the handshake of a new secure session (`docs/protocol.md` §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// No proof.
    Nn,
    /// The acceptor proves that it has the private key of the public key known to the initiator.
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

/// An acceptor's limits on its sessions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time between a reply and the proof that the initiator has read it.
    pub handshake_time: Duration,
    /// How long a session lives without a transport.
    pub wait: Duration,
    /// The settings of legacy sessions.
    pub legacy: LegacyConfig,
}

/// The settings of a legacy session. Both ends must have the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyConfig {
    /// Whether the stream is encrypted. The ConnID always is.
    pub encrypt: bool,
    /// How many of the last bytes sent are kept for a reconnect.
    pub replay_bytes: usize,
}
