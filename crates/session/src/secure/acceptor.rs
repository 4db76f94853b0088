//! The acceptor of a secure session: replies to opens and resumes, and uses a transport once its first record has come
//! (`docs/protocol.md` §3.1).
//!
//! ```text
//!              open, or an authentic message 1 with a higher attempt
//!  (nothing) ──────────────────────────────────────────────────────▶ candidate ──first authentic record──▶ live
//!      ▲                                                              │   ▲  │                             │
//!      ├────────── cut, fault, or not proven in time ─────────────────┘   └──┘ a higher attempt            │
//!      └────────── cut, fault, or the next one is live ────────────────────────────────────────────────────┘
//! ```

use std::time::Instant;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::SecureSession;
use super::message::{Opened, Resumed, SecureResume, Ticket, decode_received, prologue, reply};
use super::noise::{Failed, Handshake, Pattern};
use super::role::{Acceptor, Role};
use super::transport::{Path, Transport};
use crate::lifecycle::Lifecycle;
use crate::sizes::{KEY_BYTES, SESSION_ID_BYTES};
use crate::{
    Dial, End, KeyPair, Limits, Names, Pattern as PatternCode, ReplayBuffer, SessionId, SessionName, Status,
    TransportId,
};

/// Most bytes of records that an initiator is sent before its first record proves that it has read the reply.
const FIRST_FLIGHT_BYTES: usize = 64 << 10;

impl SecureSession {
    /// Replies to an open.
    pub(crate) fn accept(
        pattern: PatternCode,
        head: &[u8],
        message: &[u8],
        keys: Option<&KeyPair>,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Dial), Status> {
        let pattern = match (pattern, keys) {
            (PatternCode::Nn, _) => Pattern::Nn,
            (PatternCode::Nk, Some(keys)) => Pattern::NkResponder { private: keys.private_bytes() },
            (PatternCode::Nk, None) => return Err(Status::NotAdmitted),
        };

        let mut handshake = start(&pattern, head, rng)?;
        handshake.read(message).map_err(|Failed| Status::NotAuthentic)?;

        let ticket = new_ticket(rng);
        let wait_seconds = u32::try_from(limits.wait.as_secs()).unwrap_or(u32::MAX);

        let opened = Opened { ticket: ticket.clone(), wait_seconds };
        let (keys, bytes) = finish(handshake, &opened.encode())?;

        let role = Acceptor {
            current: ticket,
            next: None,
            attempt: 0,
            postponed_for: 0,
            candidate: None,
            candidate_expires: None,
            handshake_time: limits.handshake_time,
        };
        let mut session = Self::new(Role::Acceptor(role), Lifecycle::new(now, limits.handshake_time, limits.wait));

        let transport = session.lifecycle.next_transport_id();
        session.try_transport(Box::new(Transport::new(Path::accepted(transport, 0, 0, 0), keys)), now);

        Ok((session, Dial { transport, bytes }))
    }

    /// See [`crate::Session::resume`]. The cheap checks come first: hashing, then counts, then the owner's budget, and
    /// the Diffie-Hellman last.
    pub(crate) fn resume<'b, B: ReplayBuffer + 'b>(
        &mut self,
        resume: &SecureResume<'_>,
        afford: impl FnOnce() -> Option<&'b B>,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Dial, Status> {
        let aborted = match self.lifecycle.end() {
            // The initiator may have missed the last acknowledgement, which the reply repeats.
            None | Some(End::Closed) => None,
            // The initiator may have missed the abort, which follows the reply.
            Some(End::Aborted(reason)) => Some(reason),
            Some(_) => return Err(Status::Expired),
        };

        let Role::Acceptor(acceptor) = &mut self.role else { return Err(Status::Unknown) };
        let (handshake, count) = acceptor.authenticate(resume, rng)?;

        if resume.attempt <= acceptor.attempt {
            return Err(Status::StaleAttempt);
        }
        if !self.outgoing.can_continue_from(count) {
            return Err(Status::DataGap);
        }

        let buffer = afford().ok_or(Status::Overloaded)?;
        // The resume is authentic and affordable: from here on a repetition of it is stale.
        acceptor.attempt = resume.attempt;
        acceptor.has_ticket(resume.id);

        let received = self.incoming.received();
        let ticket = acceptor.next.get_or_insert_with(|| new_ticket(rng)).clone();
        let (keys, mut bytes) = finish(handshake, &Resumed { ticket, received }.encode())?;

        let id = self.lifecycle.next_transport_id();
        let mut transport = Box::new(Transport::new(Path::accepted(id, resume.attempt, count, received), keys));

        let limit = bytes.len() + FIRST_FLIGHT_BYTES;
        let filled = match aborted {
            Some(reason) => transport.abort(reason, &mut bytes),
            None => transport.fill(&mut self.outgoing, &mut self.incoming, buffer, now, &mut bytes, limit),
        };
        filled.map_err(|_| Status::NotAuthentic)?;

        self.try_transport(transport, now);
        Ok(Dial { transport: id, bytes })
    }

    /// See [`crate::Session::postpone_expiry`].
    pub(crate) fn postpone_expiry(
        &mut self,
        resume: &SecureResume<'_>,
        until: Instant,
        rng: &mut impl CryptoRng,
    ) -> bool {
        let Role::Acceptor(acceptor) = &mut self.role else { return false };
        // An attacker can repeat a recorded resume, so each attempt postpones the end once.
        let is_new = resume.attempt > acceptor.attempt.max(acceptor.postponed_for);
        let is_genuine = is_new && acceptor.authenticate(resume, rng).is_ok();

        if is_genuine {
            acceptor.postponed_for = resume.attempt;
            self.lifecycle.postpone(until);
        }

        is_genuine
    }

    fn try_transport(&mut self, transport: Box<Transport>, now: Instant) {
        let Role::Acceptor(acceptor) = &mut self.role else { return };
        acceptor.candidate_expires = Some(now + acceptor.handshake_time);
        if let Some(older) = acceptor.candidate.replace(transport) {
            self.lifecycle.emit(crate::Event::GivenUp { transport: older.path.id });
        }
    }

    /// See [`crate::Session::names`].
    pub(crate) fn names(&self) -> Names {
        match &self.role {
            Role::Acceptor(acceptor) => {
                let next = acceptor.next.as_ref().map(|ticket| SessionName::Secure(ticket.id));
                Names::new(SessionName::Secure(acceptor.current.id), next)
            }
            Role::Initiator(_) => Names::NONE,
        }
    }
}

impl Acceptor {
    fn ticket(&self, id: SessionId) -> Option<&Ticket> {
        if self.current.id == id {
            return Some(&self.current);
        }
        self.next.as_ref().filter(|next| next.id == id)
    }

    /// Checks that a resume was made with the secret of its ticket, which takes hashing alone. Returns the handshake, and
    /// the count of what the initiator has received.
    fn authenticate(&self, resume: &SecureResume<'_>, rng: &mut impl CryptoRng) -> Result<(Handshake, u64), Status> {
        let ticket = self.ticket(resume.id).ok_or(Status::Unknown)?;
        let mut handshake = start(&Pattern::NnPsk0 { secret: &ticket.secret }, resume.head, rng)?;
        let payload = handshake.read(resume.message).map_err(|Failed| Status::NotAuthentic)?;
        let count = decode_received(&payload).map_err(|_| Status::NotAuthentic)?;
        Ok((handshake, count))
    }

    /// The initiator has this ticket: the one before is void.
    fn has_ticket(&mut self, id: SessionId) {
        if let Some(next) = self.next.take_if(|next| next.id == id) {
            self.current = next;
        }
    }

    /// The initiator has read the reply on this path, and so has the ticket in it.
    pub(super) fn proven(&mut self, path: &Path) {
        self.candidate_expires = None;
        // A reply to a resume carried the next ticket; that of the open carried the current one.
        if path.attempt > 0
            && let Some(next) = self.next.take()
        {
            self.current = next;
        }
    }

    pub(super) fn candidate_expires(&self) -> Option<Instant> {
        self.candidate.as_ref().and(self.candidate_expires)
    }

    /// Drops a candidate that was not proven in time.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<TransportId> {
        let late = self.candidate_expires.is_some_and(|at| at <= now);
        self.candidate.take_if(|_| late).map(|candidate| candidate.path.id)
    }
}

fn start(pattern: &Pattern<'_>, head: &[u8], rng: &mut impl CryptoRng) -> Result<Handshake, Status> {
    Handshake::responder(pattern, &prologue(head), rng).map_err(|Failed| Status::NotAuthentic)
}

fn finish(mut handshake: Handshake, payload: &[u8]) -> Result<(super::noise::TransportKeys, Vec<u8>), Status> {
    let message = handshake.write(payload).map_err(|Failed| Status::NotAuthentic)?;
    let keys = handshake.split().map_err(|Failed| Status::NotAuthentic)?;
    Ok((keys, reply(&message)))
}

fn new_ticket(rng: &mut impl CryptoRng) -> Ticket {
    let (mut id, mut secret) = ([0; SESSION_ID_BYTES], Zeroizing::new([0; KEY_BYTES]));
    rng.fill_bytes(&mut id);
    rng.fill_bytes(&mut *secret);
    Ticket { id: SessionId::new(id), secret }
}
