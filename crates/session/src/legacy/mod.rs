//! The legacy session, snet (`docs/protocol.md` §2): compatible with the original's clients and servers. It is
//! obfuscation: RC4 and a 64-bit key give no real protection.

mod dh64;
mod handshake;
pub(crate) mod message;
mod rc4;

use std::time::{Duration, Instant};

use dh64::Pair;
use message::DIGEST_BYTES;
use rc4::{KEY_BYTES, Rc4};

use crate::lifecycle::Lifecycle;
use crate::{
    AbortReason, Backlog, End, Event, Fault, LegacyConfig, Names, Received, ReplayBuffer, SessionName, TransportId,
};

/// Refusals in a row after which an initiator believes them. A refusal is not authenticated.
const REFUSALS_BELIEVED: u8 = 4;

/// Either end of a legacy session.
pub(crate) struct LegacySession {
    role: Role,
    config: LegacyConfig,
    shared: Option<Shared>,
    /// Bytes of the stream that were sent and received.
    written: u64,
    read: u64,
    /// The last bytes sent, encrypted: the original sends the same bytes again after a reconnect.
    sent: Backlog,
    live: Option<Transport>,
    pub(crate) lifecycle: Lifecycle,
    established: bool,
    closing: bool,
}

/// The keys and the number of the session, agreed on by its first handshake.
struct Shared {
    id: u64,
    key: [u8; KEY_BYTES],
    writing: Rc4,
    reading: Rc4,
}

enum Role {
    /// Attempts without an answer, the oldest first.
    Initiator { pending: Vec<Pending>, refusals: u8 },
    /// The oldest candidate comes first. A newer one replaces none: an attacker who repeats a recorded reconnect would keep
    /// the initiator out.
    Acceptor { candidates: Vec<Candidate>, handshake_time: Duration },
}

/// An initiator's transport without a reply.
struct Pending {
    id: TransportId,
    /// The key pair of a new session; none for a reconnect.
    pair: Option<Pair>,
    unfinished: Vec<u8>,
}

/// An acceptor's transport without its proof. Each answers a challenge of its own.
struct Candidate {
    transport: Transport,
    proof: [u8; DIGEST_BYTES],
    expires: Instant,
    unfinished: Vec<u8>,
}

struct Transport {
    id: TransportId,
    /// Count of the stream's bytes sent or skipped so far.
    cursor: u64,
    /// Count at which the next received byte stands.
    position: u64,
    /// Initiator: the answer to the challenge, to be sent before any data.
    proof: Option<[u8; DIGEST_BYTES]>,
    /// Whether the other end has sent something on this transport. Always true at an acceptor, which does not ask.
    confirmed: bool,
}

impl LegacySession {
    fn new(role: Role, config: LegacyConfig, lifecycle: Lifecycle) -> Self {
        let sent = Backlog::new(config.replay_bytes);
        let (shared, live) = (None, None);
        Self { role, config, shared, written: 0, read: 0, sent, live, lifecycle, established: false, closing: false }
    }

    /// A session to be opened by [`Self::connect`], within `patience`.
    pub(crate) fn initiator(config: LegacyConfig, patience: Duration, now: Instant) -> Self {
        let lifecycle = Lifecycle::new(now, patience, patience);
        Self::new(Role::Initiator { pending: Vec::new(), refusals: 0 }, config, lifecycle)
    }

    fn can_continue_from(&self, count: u64) -> bool {
        count <= self.written && self.written - count <= self.sent.len() as u64
    }

    /// What is there of a handshake message that was received in part.
    pub(crate) fn unfinished(&self, of: TransportId) -> &[u8] {
        match &self.role {
            Role::Initiator { pending, .. } => {
                let found = pending.iter().find(|pending| pending.id == of);
                found.map_or(&[], |pending| &pending.unfinished)
            }
            Role::Acceptor { candidates, .. } => {
                let found = candidates.iter().find(|candidate| candidate.transport.id == of);
                found.map_or(&[], |candidate| &candidate.unfinished)
            }
        }
    }

    /// See [`crate::Session::receive`].
    pub(crate) fn receive(&mut self, from: TransportId, bytes: &mut [u8], now: Instant) -> Received {
        let taken = match self.lifecycle.end() {
            Some(end) => Err(Fault::Over(end)),
            None => self.prepare(from, bytes, now),
        };
        match taken {
            Ok(Some(taken)) => Received { bytes: self.read_stream(bytes, taken), fault: None },
            Ok(None) => Received { bytes: 0, fault: None },
            Err(fault) => Received { bytes: 0, fault: Some(fault) },
        }
    }

    /// Makes a proven transport the live one, and gives up all pending ones.
    fn make_live(&mut self, transport: Transport) {
        let id = transport.id;
        let replaced = self.live.replace(transport).map(|older| older.id);

        self.lifecycle.connected();
        self.lifecycle.emit(match self.established {
            true => Event::Resumed { transport: id, replaced },
            false => Event::Established { transport: id },
        });
        self.established = true;

        if let Role::Initiator { refusals, pending } = &mut self.role {
            *refusals = 0;
            for other in std::mem::take(pending) {
                self.lifecycle.emit(Event::GivenUp { transport: other.id });
            }
        }
    }

    /// Decrypts the new bytes behind the first `taken`, moves them to the front, and returns their number.
    fn read_stream(&mut self, bytes: &mut [u8], taken: usize) -> usize {
        let (Some(live), Some(shared)) = (&mut self.live, &mut self.shared) else { return 0 };

        // The other end sends again everything behind the count of its reconnect, of which `known` bytes came before.
        let stream = bytes.len() - taken;
        let known = usize::try_from(self.read - live.position).unwrap_or(usize::MAX).min(stream);
        live.position += stream as u64;

        if stream > 0 && !std::mem::replace(&mut live.confirmed, true) {
            self.lifecycle.emit(Event::Confirmed { transport: live.id });
        }

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
            self.lifecycle.interrupted(id, now);
        }

        match &mut self.role {
            Role::Initiator { pending, .. } => pending.retain(|pending| pending.id != id),
            Role::Acceptor { candidates, .. } => candidates.retain(|candidate| candidate.transport.id != id),
        }
    }

    /// See [`crate::Session::send`]. Sent bytes leave the owner's buffer at once: there are no acknowledgements, so the
    /// session keeps the last ones itself.
    pub(crate) fn send(&mut self, buffer: &mut impl ReplayBuffer, out: &mut Vec<u8>, room: usize) {
        let limit = out.len().saturating_add(room);
        let (Some(live), Some(shared), None) = (&mut self.live, &mut self.shared, self.lifecycle.end()) else { return };

        if let Some(proof) = live.proof.take() {
            out.extend_from_slice(&proof);
        }

        // Repeats, encrypted as before, what the other end has not received.
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
        keep_last(&mut self.sent, self.config.replay_bytes, fresh);

        if self.closing && buffer.is_empty() {
            self.lifecycle.finish(End::Closed);
        }
    }

    /// See [`crate::Session::has_output`].
    pub(crate) fn has_output(&self, buffer: &impl ReplayBuffer) -> bool {
        let waits = |live: &Transport| live.proof.is_some() || live.cursor < self.written || !buffer.is_empty();
        self.lifecycle.end().is_none() && self.live.as_ref().is_some_and(|live| self.closing || waits(live))
    }

    /// There is no close on the wire: the session ends here when all is sent, and by its wait time at the other end.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing
    }

    pub(crate) fn abort(&mut self, reason: AbortReason) {
        self.lifecycle.finish(End::Aborted(reason));
    }

    /// See [`crate::Session::timeout`].
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let candidate = match &self.role {
            Role::Acceptor { candidates, .. } => candidates.first().map(|oldest| oldest.expires),
            Role::Initiator { .. } => None,
        };
        [candidate, self.lifecycle.expires()].into_iter().flatten().min()
    }

    /// See [`crate::Session::tick`].
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Role::Acceptor { candidates, .. } = &mut self.role {
            for late in candidates.extract_if(.., |candidate| candidate.expires <= now) {
                self.lifecycle.emit(Event::GivenUp { transport: late.transport.id });
            }
        }
        self.lifecycle.tick(now);
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
    pub(crate) fn replay_bytes(&self) -> usize {
        self.sent.len()
    }
}

/// Appends `bytes` bytes, written by `fill`, and returns where they begin.
fn append(out: &mut Vec<u8>, bytes: usize, fill: impl FnOnce(&mut [u8])) -> usize {
    let start = out.len();
    out.resize(start + bytes, 0);
    fill(out.get_mut(start..).unwrap_or_default());
    start
}

/// Keeps the last `limit` bytes sent.
fn keep_last(sent: &mut Backlog, limit: usize, fresh: &[u8]) {
    let fresh = fresh.get(fresh.len().saturating_sub(limit)..).unwrap_or_default();
    sent.release(fresh.len().saturating_sub(sent.room()));
    sent.push(fresh);
}
