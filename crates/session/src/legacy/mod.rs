//! The legacy session, snet (`docs/protocol.md` §2): for programs that exist, against nobody in earnest.

mod dh64;
pub(crate) mod message;
mod rc4;

use std::time::{Duration, Instant};

use dh64::Pair;
use message::{DIGEST_BYTES, REFUSAL, REPLY_BYTES, Reconnect, numbers, proof, three};
use rand_core::CryptoRng;
use rc4::Rc4;
use subtle::ConstantTimeEq;

use crate::life::Life;
use crate::{
    AbortReason, Backlog, Dial, End, Event, Fault, LegacyConfig, Limits, Names, Received, ReplayBuffer, SessionName,
    Status, TransportId,
};

/// Bytes of a session's key.
const KEY_BYTES: usize = 8;
/// Refusals in a row after which the acceptor is believed.
const REFUSALS_BELIEVED: u8 = 4;

/// Either end of a legacy session.
pub(crate) struct LegacySession {
    role: Role,
    config: LegacyConfig,
    shared: Option<Shared>,
    /// Bytes of the stream that were sent, and received.
    written: u64,
    read: u64,
    /// The last bytes that were sent, as they were on the wire.
    sent: Backlog,
    live: Option<Transport>,
    pub(crate) life: Life,
    established: bool,
    closing: bool,
}

/// What the ends agreed on.
struct Shared {
    id: u64,
    key: [u8; KEY_BYTES],
    writing: Rc4,
    reading: Rc4,
}

enum Role {
    Initiator { pending: Option<Pending>, refusals: u8 },
    Acceptor { candidate: Option<Candidate>, handshake_time: Duration },
}

/// An initiator's transport that waits for the reply.
struct Pending {
    id: TransportId,
    /// The numbers of a new session; none if it goes on with one.
    pair: Option<Pair>,
    unfinished: Vec<u8>,
}

/// An acceptor's transport that waits for the proof.
struct Candidate {
    transport: Transport,
    proof: [u8; DIGEST_BYTES],
    expires: Instant,
    unfinished: Vec<u8>,
}

struct Transport {
    id: TransportId,
    /// Count before which the other end was given everything.
    cursor: u64,
    /// Count at which the next byte received stands.
    position: u64,
    /// What goes before the stream.
    proof: Option<[u8; DIGEST_BYTES]>,
}

impl LegacySession {
    fn new(role: Role, config: LegacyConfig, life: Life) -> Self {
        let sent = Backlog::new(config.replay_bytes);
        let (shared, live) = (None, None);
        Self { role, config, shared, written: 0, read: 0, sent, live, life, established: false, closing: false }
    }

    /// A session to be opened by [`Self::connect`], within `patience`.
    pub(crate) fn initiator(config: LegacyConfig, patience: Duration, now: Instant) -> Self {
        let life = Life::new(now, patience, patience);
        Self::new(Role::Initiator { pending: None, refusals: 0 }, config, life)
    }

    /// Replies to a new session.
    pub(crate) fn accept(
        public: u64,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Dial), Status> {
        let pair = Pair::new(rng);
        let secret = pair.agree(public).ok_or(Status::NotAuthentic)?;
        let (id, challenge) = (not_zero(rng), not_zero(rng));
        let mut shared = Shared::new(id, secret);
        let mut sealed_id = id.to_le_bytes();
        shared.writing.apply(&mut sealed_id);
        let key = shared.key;

        let role = Role::Acceptor { candidate: None, handshake_time: limits.handshake_time };
        let mut session = Self::new(role, limits.legacy, Life::new(now, limits.handshake_time, limits.wait));
        session.shared = Some(shared);
        let transport = session.try_transport(0, proof(challenge, key), now);
        let bytes = three(pair.public, u64::from_le_bytes(sealed_id), challenge).to_vec();
        Ok((session, Dial { transport, bytes }))
    }

    /// See [`crate::Session::resume`].
    pub(crate) fn resume(
        &mut self,
        reconnect: &Reconnect,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Dial, Status> {
        if self.life.end().is_some() {
            return Err(Status::Expired);
        }
        let shared = self.shared.as_ref().filter(|shared| shared.id == reconnect.session).ok_or(Status::Unknown)?;
        if !reconnect.is_made_with(shared.key) {
            return Err(Status::NotAuthentic);
        }
        if reconnect.written < self.read || !self.can_continue_from(reconnect.read) {
            return Err(Status::DataGap);
        }
        let challenge = not_zero(rng);
        let proof = proof(challenge, shared.key);
        let transport = self.try_transport(reconnect.read, proof, now);
        Ok(Dial { transport, bytes: three(self.written, self.read, challenge).to_vec() })
    }

    fn can_continue_from(&self, count: u64) -> bool {
        count <= self.written && self.written - count <= self.sent.len() as u64
    }

    fn try_transport(&mut self, cursor: u64, proof: [u8; DIGEST_BYTES], now: Instant) -> TransportId {
        let id = self.life.name_transport();
        if let Role::Acceptor { candidate, handshake_time } = &mut self.role {
            let transport = Transport { id, cursor, position: self.read, proof: None };
            let expires = now + *handshake_time;
            let newest = Candidate { transport, proof, expires, unfinished: Vec::new() };
            if let Some(older) = candidate.replace(newest) {
                self.life.tell(Event::GivenUp { transport: older.transport.id });
            }
        }
        id
    }

    /// See [`crate::Session::connect`].
    pub(crate) fn connect(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        if let Some(end) = self.life.end() {
            return Err(Fault::Over(end));
        }
        if let Some(live) = self.live.take() {
            self.life.interrupted(live.id, now);
        }
        let transport = self.life.name_transport();
        let Role::Initiator { pending, .. } = &mut self.role else { return Err(Fault::Replaced) };
        let (pair, bytes) = match &self.shared {
            Some(shared) => (None, Reconnect::new(shared.id, self.written, self.read, shared.key).encode()),
            None => {
                let pair = Pair::new(rng);
                let bytes = message::new_session(pair.public);
                (Some(pair), bytes)
            }
        };
        *pending = Some(Pending { id: transport, pair, unfinished: Vec::new() });
        Ok(Dial { transport, bytes })
    }

    /// What is there of a handshake message that was received in part.
    pub(crate) fn unfinished(&self, of: TransportId) -> &[u8] {
        match &self.role {
            Role::Initiator { pending: Some(pending), .. } if pending.id == of => &pending.unfinished,
            Role::Acceptor { candidate: Some(candidate), .. } if candidate.transport.id == of => &candidate.unfinished,
            _ => &[],
        }
    }

    /// See [`crate::Session::receive`].
    pub(crate) fn receive(&mut self, from: TransportId, bytes: &mut [u8], now: Instant) -> Received {
        let taken = match self.life.end() {
            Some(end) => Err(Fault::Over(end)),
            None => self.prepare(from, bytes, now),
        };
        match taken {
            Ok(Some(taken)) => Received { bytes: self.read_stream(bytes, taken), fault: None },
            Ok(None) => Received { bytes: 0, fault: None },
            Err(fault) => Received { bytes: 0, fault: Some(fault) },
        }
    }

    /// Reads what precedes the stream, and says how many bytes that took; `None` while some of it is missing.
    fn prepare(&mut self, from: TransportId, bytes: &[u8], now: Instant) -> Result<Option<usize>, Fault> {
        if self.live.as_ref().is_some_and(|live| live.id == from) {
            return Ok(Some(0));
        }
        match &mut self.role {
            Role::Initiator { pending, .. } => {
                let pending = pending.take_if(|pending| pending.id == from).ok_or(Fault::Replaced)?;
                self.read_reply(pending, bytes)
            }
            Role::Acceptor { candidate, .. } => {
                let candidate = candidate.take_if(|candidate| candidate.transport.id == from).ok_or(Fault::Replaced)?;
                self.read_proof(candidate, bytes, now)
            }
        }
    }

    fn read_proof(&mut self, mut tried: Candidate, bytes: &[u8], now: Instant) -> Result<Option<usize>, Fault> {
        let Some(proof) = bytes.first_chunk::<DIGEST_BYTES>() else {
            tried.unfinished = bytes.to_vec();
            if let Role::Acceptor { candidate, .. } = &mut self.role {
                *candidate = Some(tried);
            }
            return Ok(None);
        };
        if !bool::from(tried.proof.ct_eq(proof)) {
            return Err(Fault::NotAuthentic);
        }
        if !self.can_continue_from(tried.transport.cursor) {
            // More was sent by the older transport in the meantime than is kept.
            self.life.interrupted(tried.transport.id, now);
            self.life.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }
        self.carry_by(tried.transport);
        Ok(Some(DIGEST_BYTES))
    }

    fn read_reply(&mut self, mut pending: Pending, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(reply) = bytes.first_chunk::<REPLY_BYTES>() else {
            pending.unfinished = bytes.to_vec();
            if let Role::Initiator { pending: waiting, .. } = &mut self.role {
                *waiting = Some(pending);
            }
            return Ok(None);
        };
        let transport = match &pending.pair {
            Some(pair) => self.agree(pending.id, pair, numbers(*reply))?,
            None if *reply == REFUSAL => return Err(self.refused(Status::Unknown)),
            None => self.go_on(pending.id, numbers(*reply))?,
        };
        self.carry_by(transport);
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
        Ok(Transport { id, cursor: 0, position: 0, proof })
    }

    fn go_on(&mut self, id: TransportId, reply: [u64; 3]) -> Result<Transport, Fault> {
        let [written, read, challenge] = reply;
        let key = self.shared.as_ref().map(|shared| shared.key).ok_or(Fault::Replaced)?;
        if written < self.read || !self.can_continue_from(read) {
            self.life.finish(End::Refused(Status::DataGap));
            return Err(Fault::Over(End::Refused(Status::DataGap)));
        }
        Ok(Transport { id, cursor: read, position: self.read, proof: Some(proof(challenge, key)) })
    }

    fn refused(&mut self, status: Status) -> Fault {
        self.life.tell(Event::Refused(status));
        if let Role::Initiator { refusals, .. } = &mut self.role {
            *refusals += 1;
            if *refusals >= REFUSALS_BELIEVED {
                self.life.finish(End::Refused(status));
            }
        }
        Fault::Refused(status)
    }

    fn carry_by(&mut self, transport: Transport) {
        let id = transport.id;
        let replaced = self.live.replace(transport).map(|older| older.id);
        if let Role::Initiator { refusals, .. } = &mut self.role {
            *refusals = 0;
        }
        self.life.connected();
        self.life.tell(match self.established {
            true => Event::Resumed { transport: id, replaced },
            false => Event::Established { transport: id },
        });
        self.established = true;
    }

    /// Decrypts the stream's new bytes behind the first `taken`, moves them to the front, and returns their number.
    fn read_stream(&mut self, bytes: &mut [u8], taken: usize) -> usize {
        let (Some(live), Some(shared)) = (&mut self.live, &mut self.shared) else { return 0 };
        let stream = bytes.len() - taken;
        let known = usize::try_from(self.read - live.position).unwrap_or(usize::MAX).min(stream);
        live.position += stream as u64;
        self.read = self.read.max(live.position);
        bytes.copy_within(taken + known.., 0);
        let fresh = stream - known;
        if self.config.encrypt {
            shared.reading.apply(bytes.get_mut(..fresh).unwrap_or_default());
        }
        fresh
    }

    /// See [`crate::Session::transport_lost`].
    pub(crate) fn transport_lost(&mut self, id: TransportId, now: Instant) {
        if self.live.take_if(|live| live.id == id).is_some() {
            self.life.interrupted(id, now);
        }
        match &mut self.role {
            Role::Initiator { pending, .. } => drop(pending.take_if(|pending| pending.id == id)),
            Role::Acceptor { candidate, .. } => {
                drop(candidate.take_if(|candidate| candidate.transport.id == id));
            }
        }
    }

    /// See [`crate::Session::send`]. What is sent leaves the owner's buffer: nobody acknowledges, so what may have to be sent
    /// again is kept here, as it was on the wire.
    pub(crate) fn send(&mut self, buffer: &mut impl ReplayBuffer, out: &mut Vec<u8>, room: usize) {
        let limit = out.len().saturating_add(room);
        let (Some(live), Some(shared), None) = (&mut self.live, &mut self.shared, self.life.end()) else { return };
        if let Some(proof) = live.proof.take() {
            out.extend_from_slice(&proof);
        }
        let again = usize::try_from(self.written - live.cursor).unwrap_or(usize::MAX);
        let again_now = again.min(limit.saturating_sub(out.len()));
        append(out, again_now, |to| self.sent.copy(self.sent.len().saturating_sub(again), to));
        live.cursor += again_now as u64;
        if again_now < again {
            return;
        }
        let bytes = buffer.len().min(limit.saturating_sub(out.len()));
        let start = append(out, bytes, |to| buffer.copy(0, to));
        buffer.release(bytes);
        let fresh = out.get_mut(start..).unwrap_or_default();
        if self.config.encrypt {
            shared.writing.apply(fresh);
        }
        live.cursor += bytes as u64;
        self.written += bytes as u64;
        remember(&mut self.sent, self.config.replay_bytes, fresh);
        if self.closing && buffer.is_empty() {
            self.life.finish(End::Closed);
        }
    }

    /// See [`crate::Session::has_output`].
    pub(crate) fn has_output(&self, buffer: &impl ReplayBuffer) -> bool {
        let waits = |live: &Transport| live.proof.is_some() || live.cursor < self.written || !buffer.is_empty();
        self.life.end().is_none() && self.live.as_ref().is_some_and(|live| self.closing || waits(live))
    }

    /// There is no close on the wire: the session ends here when all is sent, and by its wait time at the other end.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing
    }

    pub(crate) fn abort(&mut self, reason: AbortReason) {
        self.life.finish(End::Aborted(reason));
    }

    /// See [`crate::Session::timeout`].
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let candidate = match &self.role {
            Role::Acceptor { candidate, .. } => candidate.as_ref().map(|candidate| candidate.expires),
            Role::Initiator { .. } => None,
        };
        [candidate, self.life.expires()].into_iter().flatten().min()
    }

    /// See [`crate::Session::tick`].
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Role::Acceptor { candidate, .. } = &mut self.role
            && let Some(late) = candidate.take_if(|candidate| candidate.expires <= now)
        {
            self.life.tell(Event::GivenUp { transport: late.transport.id });
        }
        self.life.tick(now);
    }

    /// See [`crate::Session::names`].
    pub(crate) fn names(&self) -> Names {
        match (&self.role, &self.shared) {
            (Role::Acceptor { .. }, Some(shared)) => Names::new(SessionName::Legacy(shared.id), None),
            _ => Names::NONE,
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.read
    }

    /// Bytes kept to be sent again.
    pub(crate) fn kept(&self) -> usize {
        self.sent.len()
    }
}

impl Shared {
    fn new(id: u64, secret: u64) -> Self {
        let key = secret.to_le_bytes();
        Self { id, key, writing: Rc4::new(key), reading: Rc4::new(key) }
    }
}

/// Appends `bytes` bytes, which `fill` writes, and returns where they begin.
fn append(out: &mut Vec<u8>, bytes: usize, fill: impl FnOnce(&mut [u8])) -> usize {
    let start = out.len();
    out.resize(start + bytes, 0);
    fill(out.get_mut(start..).unwrap_or_default());
    start
}

/// Keeps the last `limit` bytes of what was sent.
fn remember(sent: &mut Backlog, limit: usize, fresh: &[u8]) {
    let fresh = fresh.get(fresh.len().saturating_sub(limit)..).unwrap_or_default();
    sent.release(fresh.len().saturating_sub(sent.room()));
    sent.push(fresh);
}

fn not_zero(rng: &mut impl CryptoRng) -> u64 {
    rng.next_u64().max(1)
}
