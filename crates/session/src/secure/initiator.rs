//! The initiator of a secure session: opens it, and resumes it on one transport after another (`docs/protocol.md`
//! §3.1).
//!
//! ```text
//!              connect            authentic reply
//!  (nothing) ───────────▶ pending ─────────────────▶ live
//!      ▲                     │                         │
//!      ├─ cut, refusal, or ──┘                         │
//!      │  another is live                              │
//!      └──────── cut, fault, or the next is live ──────┘
//! ```

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use super::SecureSession;
use super::message::{Opened, Reply, Resumed, Ticket, open_head, prologue, resume_head};
use super::noise::{Failed, Handshake, Pattern, TransportKeys};
use super::role::{Initiator, Pending, Role};
use super::transport::{Path, Transport};
use crate::lifecycle::Lifecycle;
use crate::{Dial, End, Event, Fault, Identity, Pattern as PatternCode, ReplayBuffer, SessionId, Status, TransportId};

/// Refusals in a row after which the initiator believes them. A refusal is not authenticated, so one that an attacker
/// wrote must not end a session.
const REFUSALS_BELIEVED: u8 = 4;

/// Bytes of noise message 1 of each pattern. The length precedes the message and is part of its prologue, so it is
/// known before the message is made.
const NN_MESSAGE_BYTES: u16 = 32;
const NK_MESSAGE_BYTES: u16 = 32 + 16;
const RESUME_MESSAGE_BYTES: u16 = 32 + 8 + 16;

/// The content of an authentic reply.
struct Agreed {
    keys: TransportKeys,
    ticket: Ticket,
    /// Count of the stream's bytes that the acceptor has received.
    cursor: u64,
    wait: Option<Duration>,
}

impl SecureSession {
    /// A session to be opened by [`Self::connect`], within `patience`.
    pub(crate) fn initiator(identity: Identity, patience: Duration, now: Instant) -> Self {
        let role =
            Initiator { identity, ticket: None, attempt: 0, refusals: 0, retry_after: None, pending: Vec::new() };
        Self::new(Role::Initiator(role), Lifecycle::new(now, patience, patience))
    }

    /// See [`crate::Session::connect`].
    pub(crate) fn connect(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        if let Some(end) = self.lifecycle.end() {
            return Err(Fault::Over(end));
        }

        if let Some(live) = self.live.take() {
            self.dropped(&live.path, now);
        }

        while let Some(oldest) = self.oldest_pending() {
            let _older = self.give_up_pending(oldest);
        }

        self.connect_beside(rng)
    }

    /// See [`crate::Session::connect_beside`].
    pub(crate) fn connect_beside(&mut self, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        if let Some(end) = self.lifecycle.end() {
            return Err(Fault::Over(end));
        }

        let acked_to_peer = self.incoming.received();
        let Role::Initiator(initiator) = &mut self.role else { return Err(Fault::Replaced) };
        if self.live.is_some() {
            return Err(Fault::Replaced);
        }

        let transport = self.lifecycle.next_transport_id();
        let ticket = initiator.ticket_id();
        let (handshake, bytes) = initiator.first_message(acked_to_peer, rng).map_err(|Failed| Fault::NotAuthentic)?;

        initiator.retry_after = None;
        let attempt = initiator.attempt;
        let unfinished = Vec::new();
        initiator.pending.push(Pending { id: transport, attempt, ticket, acked_to_peer, handshake, unfinished });

        Ok(Dial { transport, bytes })
    }

    fn oldest_pending(&self) -> Option<TransportId> {
        match &self.role {
            Role::Initiator(initiator) => initiator.pending.first().map(|pending| pending.id),
            Role::Acceptor(_) => None,
        }
    }

    /// Reads the reply at the front of `bytes`. Returns the new transport and how many bytes the reply took, or nothing
    /// if some of it is missing.
    pub(super) fn read_reply(
        &mut self,
        mut pending: Pending,
        bytes: &[u8],
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Result<Option<(Box<Transport>, usize)>, Fault> {
        match Reply::decode(bytes).map_err(|len| Fault::BadLength { len })? {
            None => {
                pending.unfinished = bytes.to_vec();
                self.wait_for_reply(pending);
                Ok(None)
            }
            Some(Reply::Refused(status)) => Err(self.read_refusal(pending.ticket, status)),
            Some(Reply::Overloaded { retry_after }) => Err(self.read_overload(pending.ticket, retry_after, now)),
            Some(Reply::Message { message, taken }) => {
                let transport = self.finish_handshake(pending, message, buffer)?;
                Ok(Some((transport, taken)))
            }
        }
    }

    /// Reads noise message 2, and makes the pending transport the live one.
    fn finish_handshake(
        &mut self,
        pending: Pending,
        message: &[u8],
        buffer: &mut impl ReplayBuffer,
    ) -> Result<Box<Transport>, Fault> {
        let Role::Initiator(initiator) = &mut self.role else { return Err(Fault::Replaced) };
        let Pending { id, attempt, acked_to_peer, .. } = pending;
        let agreed = initiator.agree(pending, message);
        let Agreed { keys, ticket, cursor, wait } = agreed.inspect_err(|fault| self.lifecycle.finish_by(fault))?;

        // Bytes behind the count were released, or it exceeds what was sent: nothing can resume this session.
        if !self.outgoing.can_continue_from(cursor) {
            self.lifecycle.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }

        initiator.ticket = Some(ticket);
        initiator.refusals = 0;
        self.lifecycle.wait = wait.unwrap_or(self.lifecycle.wait);
        self.incoming.begin(acked_to_peer);

        let path = Path::initiated(id, attempt, cursor, acked_to_peer);
        let acknowledged = self.outgoing.acknowledge(cursor, cursor, buffer);
        debug_assert_eq!(acknowledged, Ok(()), "the count was tested");

        let replaced = self.live.take().map(|older| older.path.id);
        self.make_live(id, replaced);
        // The acceptor may have replaced this resume by a newer one already: then it uses the newer one. A newer open,
        // however, is another session.
        self.end_attempts(|pending| attempt == 0 || pending.attempt < attempt);
        self.finish_if_done();

        Ok(Box::new(Transport::new(path, keys)))
    }

    fn wait_for_reply(&mut self, pending: Pending) {
        if let Role::Initiator(initiator) = &mut self.role {
            let place = initiator.pending.partition_point(|older| older.id < pending.id);
            initiator.pending.insert(place, pending);
        }
    }

    fn read_overload(&mut self, ticket: Option<SessionId>, retry_after: Duration, now: Instant) -> Fault {
        if self.established && self.live.is_none() {
            // The acceptor keeps the session for an initiator that it had no room for.
            self.lifecycle.postpone(now + retry_after + self.lifecycle.wait);
        }

        self.refused(ticket, Status::Overloaded, Some(retry_after))
    }

    fn read_refusal(&mut self, ticket: Option<SessionId>, status: u8) -> Fault {
        Status::from_byte(status).map_or(Fault::RefusedOtherwise(status), |status| self.refused(ticket, status, None))
    }

    /// Forgets the transport whose reply is missing. The fault is the refusal of an acceptor of an older version, which
    /// sends the status of an overload without a time.
    pub(super) fn give_up_pending(&mut self, id: TransportId) -> Option<Fault> {
        let Role::Initiator(initiator) = &mut self.role else { return None };
        let pending = initiator.take_pending(id)?;

        Reply::is_overloaded(&pending.unfinished).then(|| self.refused(pending.ticket, Status::Overloaded, None))
    }

    /// Gives up attempts that are no longer needed, as another one carries the session.
    pub(super) fn end_attempts(&mut self, are_over: impl Fn(&Pending) -> bool) {
        let Role::Initiator(initiator) = &mut self.role else { return };

        for pending in initiator.pending.extract_if(.., |pending| are_over(pending)) {
            self.lifecycle.emit(Event::GivenUp { transport: pending.id });
        }
    }
}

impl Initiator {
    pub(super) fn take_pending(&mut self, id: TransportId) -> Option<Pending> {
        self.pending.extract_if(.., |pending| pending.id == id).next()
    }

    /// The newest ticket's id.
    pub(super) fn ticket_id(&self) -> Option<SessionId> {
        self.ticket.as_ref().map(|ticket| ticket.id)
    }

    /// An open, or a resume as soon as there is a ticket.
    fn first_message(&mut self, received: u64, rng: &mut impl CryptoRng) -> Result<(Handshake, Vec<u8>), Failed> {
        match self.ticket.clone() {
            None => self.open(rng),
            Some(ticket) => self.resume(&ticket, received, rng),
        }
    }

    fn open(&self, rng: &mut impl CryptoRng) -> Result<(Handshake, Vec<u8>), Failed> {
        let (code, pattern, message_bytes) = match &self.identity {
            Identity::Anyone => (PatternCode::Nn, Pattern::Nn, NN_MESSAGE_BYTES),
            Identity::Pinned(key) => {
                (PatternCode::Nk, Pattern::NkInitiator { public: key.as_bytes() }, NK_MESSAGE_BYTES)
            }
        };

        let head = open_head(code.to_byte(), message_bytes);
        begin(&pattern, &head, &[], message_bytes, rng)
    }

    fn resume(
        &mut self,
        ticket: &Ticket,
        received: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<(Handshake, Vec<u8>), Failed> {
        self.attempt = self.attempt.checked_add(1).ok_or(Failed)?;
        let head = resume_head(ticket.id, self.attempt, RESUME_MESSAGE_BYTES);
        let pattern = Pattern::NnPsk0 { secret: &ticket.secret };
        begin(&pattern, &head, &received.to_le_bytes(), RESUME_MESSAGE_BYTES, rng)
    }

    fn agree(&self, pending: Pending, message: &[u8]) -> Result<Agreed, Fault> {
        let mut handshake = pending.handshake;
        let payload = handshake.read(message).map_err(|Failed| Fault::NotAuthentic)?;
        let keys = handshake.split().map_err(|Failed| Fault::NotAuthentic)?;
        let fault = |error| Fault::Over(End::PeerFault(error));

        // The handshake proves only that the acceptor has the key. A payload that is too short is its fault, so it ends
        // the session.
        if self.ticket.is_some() {
            let Resumed { ticket, received } = Resumed::decode(&payload).map_err(fault)?;
            return Ok(Agreed { keys, ticket, cursor: received, wait: None });
        }

        let Opened { ticket, wait_seconds } = Opened::decode(&payload).map_err(fault)?;
        Ok(Agreed { keys, ticket, cursor: 0, wait: Some(Duration::from_secs(wait_seconds.into())) })
    }

    /// Counts a refusal. Returns whether enough came in a row to believe it.
    pub(super) fn count_refusal(&mut self, status: Status) -> bool {
        if status.would_be_final() {
            self.refusals += 1;
        }
        self.refusals >= REFUSALS_BELIEVED
    }
}

fn begin(
    pattern: &Pattern<'_>,
    head: &[u8],
    payload: &[u8],
    message_bytes: u16,
    rng: &mut impl CryptoRng,
) -> Result<(Handshake, Vec<u8>), Failed> {
    let mut handshake = Handshake::initiator(pattern, &prologue(head), rng)?;

    let message = handshake.write(payload)?;
    debug_assert_eq!(message.len(), usize::from(message_bytes), "the length was hashed before");

    Ok((handshake, [head, &message].concat()))
}
