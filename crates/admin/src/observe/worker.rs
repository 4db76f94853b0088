//! What a worker does beside its links.

use std::net::SocketAddr;
use std::time::Duration;

use super::side::{PerSide, Side};
use super::wait::WaitReport;

/// What a worker does beside its links.
#[derive(Clone, Debug)]
pub struct TasksInfo {
    /// Which worker, from 0.
    pub worker: usize,
    /// Time since it started.
    pub age: Duration,
    /// Time since it last looked at all of its links for those that are idle, stuck or slow.
    pub swept: Duration,
    /// The ports that it accepts from.
    pub acceptors: Vec<AcceptorInfo>,
    /// The handshakes in progress.
    pub handshakes: Vec<HandshakeInfo>,
    /// How often and how long links that are closed by now were held up, on each port.
    pub past_waits: PerSide<WaitReport>,
}

/// A task that accepts links.
#[derive(Clone, Copy, Debug)]
pub struct AcceptorInfo {
    /// Whose port.
    pub side: Side,
    /// Whether it pauses because accepting failed.
    pub pausing: bool,
    /// For how long it has been so.
    pub lasting: Duration,
}

/// A peer that has not proved yet who it is.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeInfo {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Time since it was accepted.
    pub age: Duration,
}
