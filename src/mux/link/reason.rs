//! Why a link was closed.

use std::io;
use std::time::Duration;

use fastway_service::kinds;
use fastway_session::{AbortReason, End};
use fastway_wire::{CommandError, FrameError};

use crate::mux::accept::first_bytes::Mistake;
use crate::mux::routing::Violation;

/// Why a link was closed: who was at fault, and what was wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseReason {
    /// The peer ended its stream.
    #[error("the peer closed the link")]
    EndOfStream,
    /// The network or the peer's machine dropped it.
    #[error("the link was lost: {0}")]
    Lost(#[from] io::Error),
    /// The peer came with something else than this port admits.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// The peer sent a frame that the grammar forbids.
    #[error("bad frame: {0}")]
    Frame(#[from] FrameError),
    /// The peer sent a command that the grammar forbids.
    #[error("bad command: {0}")]
    Command(#[from] CommandError),
    /// The peer sent a command that is not the peer's to send.
    #[error("bad command: {0}")]
    Violation(#[from] Violation),
    /// Nothing was received for the idle timeout.
    #[error("no byte received for {timeout:?} (the idle timeout)")]
    Idle {
        /// The timeout.
        timeout: Duration,
    },
    /// Bytes waited and none was accepted for the idle timeout.
    #[error("the peer accepted no byte for {timeout:?} (the idle timeout) while {waiting_bytes} waited")]
    Stalled {
        /// The timeout.
        timeout: Duration,
        /// Bytes that waited.
        waiting_bytes: usize,
    },
    /// A client does not read what servers send it.
    #[error("the client is too slow: {packets} packets, {bytes} bytes wait for it")]
    TooSlow {
        /// Packets that waited.
        packets: usize,
        /// Bytes that waited.
        bytes: usize,
    },
    /// All links together held too much, and this one a large part of it for long.
    #[error(
        "the links of all clients hold too much (--max-buffered-bytes): {bytes} bytes of this one, the oldest for {age:?}"
    )]
    Memory {
        /// Bytes that were held for the link.
        bytes: usize,
        /// For how long the oldest of them had been.
        age: Duration,
    },
    /// Another link registered the same server ID.
    #[error("a newer link registered the same server ID")]
    Replaced,
    /// The gateway stops.
    #[error("the gateway stops")]
    Shutdown,
    /// An operator wants it closed.
    #[error("an operator closed the link")]
    Kicked,
    /// Its session is over.
    #[error("the session is over: {0}")]
    Session(End),
    /// Its session waited, and had to make room for others.
    #[error("the session was ended to make room: too many wait (--max-waiting, --max-waiting-bytes)")]
    PushedOut,
}

kinds! {
    /// The reasons without their particulars, for counting.
    pub enum CloseKind {
        /// [`CloseReason::EndOfStream`]
        EndOfStream = "end_of_stream",
        /// [`CloseReason::Lost`]
        Lost = "lost",
        /// [`CloseReason::Mistake`], [`CloseReason::Frame`], [`CloseReason::Command`] and [`CloseReason::Violation`]
        BadBytes = "bad_bytes",
        /// [`CloseReason::Idle`]
        Idle = "idle",
        /// [`CloseReason::Stalled`]
        Stalled = "stalled",
        /// [`CloseReason::TooSlow`]
        TooSlow = "too_slow",
        /// [`CloseReason::Memory`]
        Memory = "memory",
        /// [`CloseReason::Replaced`]
        Replaced = "replaced",
        /// [`CloseReason::Shutdown`]
        Shutdown = "shutdown",
        /// [`CloseReason::Kicked`]
        Kicked = "kicked",
        /// [`CloseReason::Session`]: it waited too long.
        Expired = "expired",
        /// [`CloseReason::Session`]: the peer aborted it.
        Aborted = "aborted",
        /// [`CloseReason::Session`]: what was sent last is not kept any more (legacy sessions).
        DataGap = "data_gap",
        /// [`CloseReason::PushedOut`]
        PushedOut = "pushed_out",
    }
}

impl CloseReason {
    /// What the peer of a session is told.
    pub(crate) const fn abort_reason(&self) -> AbortReason {
        match self {
            Self::Frame(_) | Self::Command(_) | Self::Violation(_) => AbortReason::PeerFault,
            Self::Shutdown => AbortReason::Shutdown,
            Self::TooSlow { .. } => AbortReason::TooSlow,
            Self::PushedOut | Self::Memory { .. } => AbortReason::Overflow,
            Self::Replaced => AbortReason::Replaced,
            Self::Kicked => AbortReason::Operator,
            _ => AbortReason::Unspecified,
        }
    }

    /// The reason without its particulars.
    pub(crate) const fn kind(&self) -> CloseKind {
        match self {
            Self::EndOfStream => CloseKind::EndOfStream,
            Self::Lost(_) => CloseKind::Lost,
            Self::Mistake(_) | Self::Frame(_) | Self::Command(_) | Self::Violation(_) => CloseKind::BadBytes,
            Self::Idle { .. } => CloseKind::Idle,
            Self::Stalled { .. } => CloseKind::Stalled,
            Self::TooSlow { .. } => CloseKind::TooSlow,
            Self::Memory { .. } => CloseKind::Memory,
            Self::Replaced => CloseKind::Replaced,
            Self::Shutdown => CloseKind::Shutdown,
            Self::Kicked => CloseKind::Kicked,
            Self::Session(End::Closed) => CloseKind::EndOfStream,
            Self::Session(End::Expired) => CloseKind::Expired,
            Self::Session(End::AbortedByPeer(_) | End::Aborted(_)) => CloseKind::Aborted,
            Self::Session(End::PeerFault(_)) => CloseKind::BadBytes,
            Self::Session(End::Refused(_)) => CloseKind::DataGap,
            Self::PushedOut => CloseKind::PushedOut,
        }
    }
}
