//! Handshakes of legacy sessions: new session and reconnect, at both ends (`docs/protocol.md` §2).

use std::time::Instant;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::dh64::Pair;
use super::message::{self, DIGEST_BYTES, REFUSAL, REPLY_BYTES, Reconnect, decode_numbers, encode_numbers, proof};
use super::rc4::Rc4;
use super::{Candidate, LegacySession, Pending, REFUSALS_BELIEVED, Role, Shared, Transport};
use crate::lifecycle::Lifecycle;
use crate::{Dial, End, Event, Fault, Limits, Status, TransportId};

impl LegacySession {
    /// Replies to a new session.
    pub(crate) fn accept(
        public: u64,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Dial), Status> {
        let pair = Pair::new(rng);
        let secret = pair.agree(public).ok_or(Status::NotAuthentic)?;
        let (id, challenge) = (random_nonzero(rng), random_nonzero(rng));

        // The number travels encrypted, as the first bytes of the acceptor's cipher stream.
        let mut shared = Shared::new(id, secret);
        let mut sealed_id = id.to_le_bytes();
        shared.writing.apply(&mut sealed_id);
        let key = shared.key;

        let role = Role::Acceptor { candidates: Vec::new(), handshake_time: limits.handshake_time };
        let mut session = Self::new(role, limits.legacy, Lifecycle::new(now, limits.handshake_time, limits.wait));
        session.shared = Some(shared);
        let transport = session.try_transport(0, proof(challenge, key), now);

        let bytes = encode_numbers(pair.public, u64::from_le_bytes(sealed_id), challenge).to_vec();
        Ok((session, Dial { transport, bytes }))
    }

    /// See [`crate::Session::resume`].
    pub(crate) fn resume(
        &mut self,
        reconnect: &Reconnect,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Dial, Status> {
        if self.lifecycle.end().is_some() {
            return Err(Status::Expired);
        }

        let shared = self.shared.as_ref().filter(|shared| shared.id == reconnect.session).ok_or(Status::Unknown)?;
        if !reconnect.is_made_with(shared.key) {
            return Err(Status::NotAuthentic);
        }
        if reconnect.written < self.read || !self.can_continue_from(reconnect.read) {
            return Err(Status::DataGap);
        }

        let challenge = random_nonzero(rng);
        let proof = proof(challenge, shared.key);
        let transport = self.try_transport(reconnect.read, proof, now);
        Ok(Dial { transport, bytes: encode_numbers(self.written, self.read, challenge).to_vec() })
    }

    /// See [`crate::Session::postpone_expiry`]. An attacker can repeat a recorded reconnect, so the wait time at most
    /// doubles.
    pub(crate) fn postpone_expiry(&mut self, reconnect: &Reconnect, until: Instant) {
        let is_genuine = self.shared.as_ref().is_some_and(|shared| reconnect.is_made_with(shared.key));
        if let Some(expires) = self.lifecycle.expires_at_first().filter(|_| is_genuine) {
            self.lifecycle.postpone(until.min(expires + self.lifecycle.wait));
        }
    }

    fn try_transport(&mut self, cursor: u64, proof: [u8; DIGEST_BYTES], now: Instant) -> TransportId {
        let id = self.lifecycle.next_transport_id();
        if let Role::Acceptor { candidates, handshake_time } = &mut self.role {
            let transport = Transport { id, cursor, position: self.read, proof: None, confirmed: true };
            candidates.push(Candidate { transport, proof, expires: now + *handshake_time, unfinished: Vec::new() });
        }
        id
    }

    /// See [`crate::Session::connect`].
    pub(crate) fn connect(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        if let Some(end) = self.lifecycle.end() {
            return Err(Fault::Over(end));
        }

        if let Some(live) = self.live.take() {
            self.lifecycle.interrupted(live.id, now);
        }

        if let Role::Initiator { pending, .. } = &mut self.role {
            pending.clear();
        }
        self.connect_beside(rng)
    }

    /// See [`crate::Session::connect_beside`].
    pub(crate) fn connect_beside(&mut self, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        if let Some(end) = self.lifecycle.end() {
            return Err(Fault::Over(end));
        }

        let transport = self.lifecycle.next_transport_id();
        let Role::Initiator { pending, .. } = &mut self.role else { return Err(Fault::Replaced) };
        if self.live.is_some() {
            return Err(Fault::Replaced);
        }

        let (pair, bytes) = match &self.shared {
            Some(shared) => (None, Reconnect::new(shared.id, self.written, self.read, shared.key).encode()),
            None => {
                let pair = Pair::new(rng);
                let bytes = message::new_session(pair.public);
                (Some(pair), bytes)
            }
        };

        pending.push(Pending { id: transport, pair, unfinished: Vec::new() });
        Ok(Dial { transport, bytes })
    }

    /// Reads the handshake in front of the stream. Returns how many bytes it took; `None` while some are missing.
    pub(super) fn prepare(&mut self, from: TransportId, bytes: &[u8], now: Instant) -> Result<Option<usize>, Fault> {
        if self.live.as_ref().is_some_and(|live| live.id == from) {
            return Ok(Some(0));
        }

        match &mut self.role {
            Role::Initiator { pending, .. } => {
                let tried = pending.extract_if(.., |pending| pending.id == from).next();
                let pending = tried.ok_or(Fault::Replaced)?;
                self.read_reply(pending, bytes)
            }
            Role::Acceptor { candidates, .. } => {
                let tried = candidates.iter_mut().find(|candidate| candidate.transport.id == from);
                let tried = tried.ok_or(Fault::Replaced)?;
                let Some(proof) = bytes.first_chunk::<DIGEST_BYTES>() else {
                    tried.unfinished = bytes.to_vec();
                    return Ok(None);
                };

                let is_proven = tried.proof.ct_eq(proof).into();
                self.check_proof(from, is_proven, now).map(|()| Some(DIGEST_BYTES))
            }
        }
    }

    /// Acceptor: ends the handshake of a candidate. A right proof makes its transport live and gives up all other
    /// candidates; a wrong one gives up this candidate.
    fn check_proof(&mut self, from: TransportId, is_proven: bool, now: Instant) -> Result<(), Fault> {
        let Role::Acceptor { candidates, .. } = &mut self.role else { return Err(Fault::Replaced) };
        let tried = candidates.extract_if(.., |candidate| candidate.transport.id == from).next();
        let Candidate { transport, .. } = tried.filter(|_| is_proven).ok_or(Fault::NotAuthentic)?;
        let others = std::mem::take(candidates);

        if !self.can_continue_from(transport.cursor) {
            // More was sent by the older transport in the meantime than is kept.
            self.lifecycle.interrupted(transport.id, now);
            self.lifecycle.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }

        self.make_live(transport);
        for Candidate { transport, .. } in others {
            self.lifecycle.emit(Event::GivenUp { transport: transport.id });
        }

        Ok(())
    }

    fn read_reply(&mut self, mut pending: Pending, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(reply) = bytes.first_chunk::<REPLY_BYTES>() else {
            pending.unfinished = bytes.to_vec();
            if let Role::Initiator { pending: waiting, .. } = &mut self.role {
                let place = waiting.partition_point(|older| older.id < pending.id);
                waiting.insert(place, pending);
            }
            return Ok(None);
        };

        let transport = match &pending.pair {
            Some(pair) => self.agree(pending.id, pair, decode_numbers(*reply))?,
            None if *reply == REFUSAL => return Err(self.refused(Status::Unknown)),
            None => self.continue_from(pending.id, decode_numbers(*reply))?,
        };

        self.make_live(transport);
        Ok(Some(REPLY_BYTES))
    }

    fn agree(&mut self, id: TransportId, pair: &Pair, reply: [u64; 3]) -> Result<Transport, Fault> {
        let [public, sealed_id, challenge] = reply;
        let secret = pair.agree(public).ok_or(Fault::NotAuthentic)?;

        let mut shared = Shared::new(0, secret);
        let mut session = sealed_id.to_le_bytes();
        shared.reading.apply(&mut session);
        shared.id = u64::from_le_bytes(session);

        let proof = Some(proof(challenge, shared.key));
        self.shared = Some(shared);
        Ok(Transport { id, cursor: 0, position: 0, proof, confirmed: false })
    }

    fn continue_from(&mut self, id: TransportId, reply: [u64; 3]) -> Result<Transport, Fault> {
        let [written, read, challenge] = reply;
        let key = self.shared.as_ref().map(|shared| shared.key).ok_or(Fault::Replaced)?;

        if written < self.read || !self.can_continue_from(read) {
            self.lifecycle.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }
        Ok(Transport { id, cursor: read, position: self.read, proof: Some(proof(challenge, key)), confirmed: false })
    }

    fn refused(&mut self, status: Status) -> Fault {
        self.lifecycle.refused(status);
        if let Role::Initiator { refusals, .. } = &mut self.role {
            *refusals += 1;
            if *refusals >= REFUSALS_BELIEVED {
                self.lifecycle.finish(End::Refused(status));
            }
        }
        Fault::Refused(status)
    }
}

impl Shared {
    fn new(id: u64, secret: u64) -> Self {
        let key = secret.to_le_bytes();
        Self { id, key, writing: Rc4::new(key), reading: Rc4::new(key) }
    }
}

fn random_nonzero(rng: &mut impl CryptoRng) -> u64 {
    rng.next_u64().max(1)
}
