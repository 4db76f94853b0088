//! What may follow for others from something that happened to a link.

use std::time::Instant;

use fastway_session::End;

/// What happened to a link since its worker asked last: [`Link::after_io`](super::Link::after_io).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkEvents {
    /// Bytes by which what is held for the link, a client's, has changed.
    pub held_change: isize,
    /// What has changed about how much waits for it.
    pub pressure: Option<PressureChange>,
    /// It closes, and its peer has all that waited for it.
    pub is_done: bool,
}

/// What has changed about how much waits for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PressureChange {
    /// So much waits for a server that its sources are to be paused.
    Congested,
    /// There is room again.
    Uncongested,
    /// A client has to be closed.
    TooSlow,
}

/// What happened to a session, and what it needs: [`Link::session_events`](super::Link::session_events). It is large, and
/// nothing for plain links, so it is no part of [`LinkEvents`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionEvents {
    /// Times that it has lost its stream.
    pub interrupted: u64,
    /// Times that it went on by another stream. The address of its peer is that of the link.
    pub resumed: u64,
    /// Streams that were given up before they were proven.
    pub given_up: u64,
    /// Bytes that it keeps while it waits for a stream, if that has changed.
    pub waiting_bytes: Option<usize>,
    /// When an acknowledgement is due, if the worker has no note of that yet.
    pub ack_due: Option<Instant>,
    /// It has something to send, and its stream takes it.
    pub wants_flush: bool,
    /// The peer sends nothing more.
    pub peer_closed: bool,
    /// It is over.
    pub ended: Option<End>,
}

impl LinkEvents {
    /// Whether nothing follows.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.held_change == 0 && self.pressure.is_none() && !self.is_done
    }
}

impl SessionEvents {
    /// Whether a link that is open closes now.
    pub(crate) const fn close_link(&self) -> bool {
        self.peer_closed || self.ended.is_some()
    }
}
