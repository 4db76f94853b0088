//! What differs between the ends of a secure session.

use std::time::{Duration, Instant};

use super::message::Ticket;
use super::noise::Handshake;
use super::transport::Transport;
use crate::{Identity, SessionId, TransportId};

/// How transports come to be.
pub(super) enum Role {
    Initiator(Initiator),
    Acceptor(Acceptor),
}

/// What only the initiator has.
pub(super) struct Initiator {
    pub(super) identity: Identity,
    pub(super) ticket: Option<Ticket>,
    pub(super) attempt: u32,
    pub(super) refusals: u8,
    /// When the acceptor wants the next attempt, if that was said with the last refusal.
    pub(super) retry_after: Option<Duration>,
    /// The attempts that are not answered yet; the oldest comes first.
    pub(super) pending: Vec<Pending>,
}

/// A transport whose reply is not there yet.
pub(super) struct Pending {
    pub(super) id: TransportId,
    pub(super) attempt: u32,
    /// The ticket that its first message was made with; none in an open.
    pub(super) ticket: Option<SessionId>,
    /// Count of what had been received, which the acceptor is told by it.
    pub(super) acked_to_peer: u64,
    pub(super) handshake: Handshake,
    /// What there is of the reply.
    pub(super) unfinished: Vec<u8>,
}

/// What only the acceptor has.
pub(super) struct Acceptor {
    /// The newest ticket that the initiator is known to have.
    pub(super) current: Ticket,
    /// The one that replies to resumes with `current` carry.
    pub(super) next: Option<Ticket>,
    /// Highest attempt of an authentic resume.
    pub(super) attempt: u32,
    /// Highest attempt for which the end of the wait was postponed.
    pub(super) postponed_for: u32,
    /// A transport that was replied to and has not proven itself.
    pub(super) candidate: Option<Box<Transport>>,
    pub(super) candidate_expires: Option<Instant>,
    pub(super) handshake_time: Duration,
}
