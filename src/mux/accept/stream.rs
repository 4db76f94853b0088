//! Streams on their way in, as workers hand them to each other.

use std::net::SocketAddr;

use fastway_session::Resume;

use super::admission::Permit;
use crate::mux::routing::{LinkAddr, Side};

/// A stream that was accepted and is no link yet.
#[derive(Debug)]
pub(crate) struct AcceptedStream<S> {
    /// The port it came in by.
    pub(crate) side: Side,
    /// The stream; detached, while workers hand it to each other.
    pub(crate) stream: S,
    /// The peer's address.
    pub(crate) peer: SocketAddr,
    /// Its place among the links.
    pub(crate) permit: Permit,
}

/// A stream that wants to carry a session.
#[derive(Debug)]
pub(crate) struct Resumption<S> {
    /// The port it came in by.
    pub(crate) side: Side,
    /// The link of the session.
    pub(crate) link: LinkAddr,
    /// Its first message.
    pub(crate) resume: Resume,
    /// The stream; detached, while workers hand it to each other.
    pub(crate) stream: S,
    /// The peer's address.
    pub(crate) peer: SocketAddr,
}
