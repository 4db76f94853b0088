//! Why a run fails.

use std::fmt;
use std::io;
use std::time::Duration;

use fastway_wire::{Command, CommandError, ConnId, FrameError};

use super::stream::Wrong;
use crate::target::AllocationsError;

/// A link of the generator, counted from 0 on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkName {
    Player(u32),
    Server(u32),
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Player(number) => write!(f, "player link {number}"),
            Self::Server(number) => write!(f, "server link {number}"),
        }
    }
}

/// Where a frame was seen or missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) link: LinkName,
    pub(crate) conn: ConnId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, connection {}", self.link, self.conn)
    }
}

/// What ended a run before its time, or showed at its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("wrong payload at {0}: {1}")]
    Payload(Place, Wrong),
    #[error("{0} got a frame, but is no end of that connection")]
    UnknownConnection(Place),
    #[error("{0}: the gateway closed it")]
    Closed(Place),
    #[error("{0} got a command out of place: {1:?}")]
    Command(LinkName, Command),
    #[error("{0} got bytes that are no frame: {1}")]
    Frame(LinkName, #[source] FrameError),
    #[error("{0} got a command that is none: {1}")]
    Garbled(LinkName, #[source] CommandError),
    #[error("the gateway closed {0}")]
    Ended(LinkName),
    #[error("{0} failed: {1}")]
    Link(LinkName, #[source] io::Error),
    #[error("{0} could not be opened: {1}")]
    Open(LinkName, #[source] io::Error),
    #[error("{0} dialed server {1} and was refused")]
    Refused(LinkName, u32),
    #[error(
        "the generator itself lagged: 1 % of the messages left {lag:.1?} or more after their time, and {bound:?} is \
         accepted (--max-lag); latencies would be its own: lower the rate or free a core"
    )]
    Lag { lag: Duration, bound: Duration },
    #[error(transparent)]
    Allocations(#[from] AllocationsError),
    #[error("{0}")]
    Other(String),
    #[error("interrupted")]
    Interrupted,
    #[error("the kernel refuses: {0}")]
    Kernel(#[from] io::Error),
}
