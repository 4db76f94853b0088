//! The initiator: opens a session, and resumes it by transport after transport.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use super::SecureSession;
use super::message::{Opened, Reply, Resumed, Ticket, open_head, prologue, resume_head};
use super::noise::{Failed, Handshake, Pattern, TransportKeys};
use super::role::{Initiator, Pending, Role};
use super::transport::{Path, Transport};
use crate::lifecycle::Lifecycle;
use crate::{Dial, End, Fault, Identity, Pattern as PatternCode, ReplayBuffer, Status};

/// Refusals in a row after which the acceptor is believed.
const REFUSALS_BELIEVED: u8 = 4;

/// Bytes of noise message 1 of each pattern, as its length precedes it and is hashed before it is made.
const NN_MESSAGE_BYTES: u16 = 32;
const NK_MESSAGE_BYTES: u16 = 32 + 16;
const RESUME_MESSAGE_BYTES: u16 = 32 + 8 + 16;

/// What a reply says.
struct Agreed {
    keys: TransportKeys,
    ticket: Ticket,
    /// Count of what the acceptor has.
    cursor: u64,
    wait: Option<Duration>,
}

impl SecureSession {
    /// A session to be opened by [`Self::connect`], within `patience`.
    pub(crate) fn initiator(identity: Identity, patience: Duration, now: Instant) -> Self {
        let role = Initiator { identity, ticket: None, attempt: 0, refusals: 0, retry_after: None, pending: None };
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
        let _older = self.give_up_pending(|_| true);
        let received = self.incoming.received();
        let Role::Initiator(initiator) = &mut self.role else { return Err(Fault::Replaced) };
        let transport = self.lifecycle.name_transport();
        let (handshake, bytes) = initiator.first_message(received, rng).map_err(|Failed| Fault::NotAuthentic)?;
        initiator.retry_after = None;
        let attempt = initiator.attempt;
        initiator.pending = Some(Pending { id: transport, attempt, handshake, unfinished: Vec::new() });
        Ok(Dial { transport, bytes })
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
        let (message, taken) = match Reply::decode(bytes).map_err(|len| Fault::BadLength { len })? {
            None => {
                pending.unfinished = bytes.to_vec();
                self.wait_for_reply(pending);
                return Ok(None);
            }
            Some(Reply::Refused(status)) => return Err(self.read_refusal(status)),
            Some(Reply::Overloaded { retry_after }) => {
                if let Role::Initiator(initiator) = &mut self.role {
                    initiator.retry_after = Some(retry_after);
                }
                if self.established {
                    // The acceptor keeps the session for an initiator that it had no room for.
                    self.lifecycle.postpone(now + retry_after + self.lifecycle.wait);
                }
                return Err(self.refused(Status::Overloaded));
            }
            Some(Reply::Message { message, taken }) => (message, taken),
        };
        let Role::Initiator(initiator) = &mut self.role else { return Err(Fault::Replaced) };
        let (id, attempt) = (pending.id, pending.attempt);
        let agreed = initiator.agree(pending, message);
        let Agreed { keys, ticket, cursor, wait } = agreed.inspect_err(|fault| self.lifecycle.finish_by(fault))?;
        if !self.outgoing.can_continue_from(cursor) {
            self.lifecycle.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }
        initiator.ticket = Some(ticket);
        initiator.refusals = 0;
        self.lifecycle.wait = wait.unwrap_or(self.lifecycle.wait);
        let acked_to_peer = self.incoming.received();
        self.incoming.begin(acked_to_peer);
        let path = Path::initiated(id, attempt, cursor, acked_to_peer);
        let acknowledged = self.outgoing.acknowledge(cursor, cursor, buffer);
        debug_assert_eq!(acknowledged, Ok(()), "the count was tested");
        self.carry_by(id, None);
        self.finish_if_done();
        Ok(Some((Box::new(Transport::new(path, keys)), taken)))
    }

    fn wait_for_reply(&mut self, pending: Pending) {
        if let Role::Initiator(initiator) = &mut self.role {
            initiator.pending = Some(pending);
        }
    }

    fn read_refusal(&mut self, status: u8) -> Fault {
        Status::from_byte(status).map_or(Fault::RefusedOtherwise(status), |status| self.refused(status))
    }

    /// Forgets the transport whose reply is not there yet. The fault is the refusal of an acceptor of an older version,
    /// which says no more than that it is overloaded.
    pub(super) fn give_up_pending(&mut self, is_meant: impl FnOnce(&Pending) -> bool) -> Option<Fault> {
        let Role::Initiator(initiator) = &mut self.role else { return None };
        let pending = initiator.pending.take_if(|pending| is_meant(pending))?;
        Reply::is_overloaded(&pending.unfinished).then(|| self.refused(Status::Overloaded))
    }
}

impl Initiator {
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
        if self.ticket.is_some() {
            let Resumed { ticket, received } = Resumed::decode(&payload).map_err(fault)?;
            return Ok(Agreed { keys, ticket, cursor: received, wait: None });
        }
        let Opened { ticket, wait_seconds } = Opened::decode(&payload).map_err(fault)?;
        Ok(Agreed { keys, ticket, cursor: 0, wait: Some(Duration::from_secs(wait_seconds.into())) })
    }

    /// Counts a refusal, and says whether there were enough in a row to be believed.
    pub(super) fn believes(&mut self, status: Status) -> bool {
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
