//! The secure session (`docs/protocol.md` §3): opening, resuming and records, over one transport after another.
//!
//! | module | content |
//! |---|---|
//! | `message` | §3.1: layout of handshake messages |
//! | `noise` | §3.1: the Noise handshakes |
//! | `record` | §3.2: layout and encryption of records |
//! | `stream` | §3.2, §3.4: counts of both directions, acknowledgements |
//! | `transport` | keys and positions of one transport |
//! | `role`, `initiator`, `acceptor` | §3.3, §3.4: the state of each end, its handshakes, proofs and resumes |

mod acceptor;
mod initiator;
pub(crate) mod message;
pub(crate) mod noise;
pub(crate) mod record;
mod role;
mod stream;
mod transport;

use std::ops::Range;
use std::time::{Duration, Instant};

use record::{BadLength, LEN_BYTES, RecordFault, Trailer, ciphertext_bytes};
use role::{Pending, Role};
use stream::{Incoming, Outgoing};
use transport::{Path, Transport};

use crate::lifecycle::Lifecycle;
use crate::{AbortReason, End, Event, Fault, Received, ReplayBuffer, SessionError, SessionId, Status, TransportId};

/// Either end of a secure session.
pub(crate) struct SecureSession {
    role: Role,
    outgoing: Outgoing,
    incoming: Incoming,
    live: Option<Box<Transport>>,
    pub(crate) lifecycle: Lifecycle,
    established: bool,
    /// The abort that is sent before the live transport ends.
    abort: Option<AbortReason>,
}

/// A transport that is being read. It is out of its place meanwhile: its first record may turn a candidate into the
/// live transport, and a fault in it drops it.
enum Reading {
    Pending(Pending),
    Transport(Box<Transport>),
}

impl SecureSession {
    fn new(role: Role, lifecycle: Lifecycle) -> Self {
        let (outgoing, incoming) = (Outgoing::default(), Incoming::default());
        Self { role, outgoing, incoming, live: None, lifecycle, established: false, abort: None }
    }

    /// What is there of a record that was received in part.
    pub(crate) fn unfinished(&self, of: TransportId) -> &[u8] {
        let candidate = match &self.role {
            Role::Acceptor(acceptor) => acceptor.candidate.as_deref(),
            Role::Initiator(initiator) => {
                if let Some(pending) = initiator.pending.iter().find(|pending| pending.id == of) {
                    return &pending.unfinished;
                }
                None
            }
        };

        // A session has a candidate beside its live transport while a resume is not proven.
        let transport =
            [self.live.as_deref(), candidate].into_iter().flatten().find(|transport| transport.path.id == of);
        transport.map_or(&[], |transport| &transport.unfinished)
    }

    /// See [`crate::Session::receive`].
    pub(crate) fn receive(
        &mut self,
        from: TransportId,
        bytes: &mut [u8],
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Received {
        if let Some(end) = self.lifecycle.end() {
            return Received { bytes: 0, fault: Some(Fault::Over(end)) };
        }

        match self.take(from) {
            None => Received { bytes: 0, fault: Some(Fault::Replaced) },
            Some(Reading::Transport(transport)) => self.read_records(transport, bytes, 0, now, buffer),
            Some(Reading::Pending(pending)) => match self.read_reply(pending, bytes, now, buffer) {
                Ok(None) => Received { bytes: 0, fault: None },
                Ok(Some((transport, taken))) => self.read_records(transport, bytes, taken, now, buffer),
                Err(fault) => Received { bytes: 0, fault: Some(fault) },
            },
        }
    }

    /// Takes a transport out to read from it. The caller puts it back, unless it drops it.
    fn take(&mut self, id: TransportId) -> Option<Reading> {
        if let Some(live) = self.live.take_if(|live| live.path.id == id) {
            return Some(Reading::Transport(live));
        }

        match &mut self.role {
            Role::Acceptor(acceptor) => {
                acceptor.candidate.take_if(|candidate| candidate.path.id == id).map(Reading::Transport)
            }
            Role::Initiator(initiator) => initiator.take_pending(id).map(Reading::Pending),
        }
    }

    fn read_records(
        &mut self,
        mut transport: Box<Transport>,
        bytes: &mut [u8],
        taken: usize,
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Received {
        let mut cursor = ParseCursor { plain: 0, rest: taken..bytes.len() };
        let stop = self.read_whole_records(&mut transport, bytes, &mut cursor, now, buffer);

        let fault = match stop {
            Ok(()) => {
                transport.keep(bytes.get(cursor.rest).unwrap_or_default());
                self.put_back(transport);
                None
            }
            Err(Stop::Transport(fault)) => {
                self.dropped(&transport.path, now);
                Some(fault)
            }
            // The transport stays: the abort is sent on it.
            Err(Stop::Session(end)) => {
                self.abort = matches!(end, End::PeerFault(_)).then_some(AbortReason::PeerFault);
                self.put_back(transport);
                self.lifecycle.finish(end);
                Some(Fault::Over(end))
            }
        };

        Received { bytes: cursor.plain, fault }
    }

    fn put_back(&mut self, transport: Box<Transport>) {
        match &mut self.role {
            Role::Acceptor(acceptor) if !transport.path.proven => acceptor.candidate = Some(transport),
            _ => self.live = Some(transport),
        }
    }

    /// Opens record after record in place, and leaves the stream's bytes one behind the other at the front.
    fn read_whole_records(
        &mut self,
        transport: &mut Transport,
        bytes: &mut [u8],
        cursor: &mut ParseCursor,
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Result<(), Stop> {
        let Transport { path, opening, .. } = transport;

        let mut batch = opening.batch().ok_or(Stop::Transport(Fault::WornOut))?;
        while self.lifecycle.end().is_none()
            && let Some(record) = cursor.next_record(bytes)?
        {
            let place = bytes.get_mut(cursor.plain..record.end).unwrap_or_default();
            let opened = batch.open(place, record.start + LEN_BYTES - cursor.plain)?;
            cursor.rest.start = record.end;
            // The first authentic record proves that the initiator has read the reply.
            if !path.proven {
                self.prove(path)?;
            }

            let plaintext = place.get_mut(..opened).unwrap_or_default();
            cursor.plain += self.read_plaintext(path, plaintext, now, buffer)?;
            self.finish_if_done();
        }

        Ok(())
    }

    /// Acts on a record, and returns how many new bytes of the stream stand at the front of it.
    fn read_plaintext(
        &mut self,
        path: &mut Path,
        plaintext: &mut [u8],
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Result<usize, Stop> {
        let (trailer, bytes) = Trailer::decode(plaintext)?;

        match trailer {
            Trailer::Data => {}
            Trailer::Ack { received } => {
                self.outgoing.acknowledge(received, path.cursor, buffer)?;
                // An end acknowledges only what came on the transport that it uses, so the other end has switched to
                // this one.
                if !std::mem::replace(&mut path.confirmed, true) {
                    self.end_attempts(|_| true);
                    self.lifecycle.emit(Event::Confirmed { transport: path.id });
                }
            }
            Trailer::Close => {
                if self.incoming.close(path.position, now)? {
                    self.lifecycle.emit(Event::PeerClosed);
                }
                path.position += 1;
            }
            Trailer::Abort(reason) => return Err(Stop::Session(End::AbortedByPeer(reason))),
        }

        let fresh = self.incoming.take(path.position, bytes, now)?;
        path.position += bytes as u64;
        // The first bytes of the record came on an earlier transport.
        if fresh < bytes {
            plaintext.copy_within(bytes - fresh..bytes, 0);
        }

        Ok(fresh)
    }

    /// Makes a transport live by its first authentic record. It replaces the older one.
    fn prove(&mut self, path: &mut Path) -> Result<(), Stop> {
        path.proven = true;
        let replaced = self.live.take().map(|older| older.path.id);

        if let Role::Acceptor(acceptor) = &mut self.role {
            acceptor.proven(path);
        }

        self.incoming.begin(path.acked_to_peer);
        self.make_live(path.id, replaced);
        // The older transport may have brought a higher count since the reply was made: then bytes are released that
        // this transport would have to send.
        self.outgoing.check_start(path.cursor)?;
        Ok(())
    }

    fn make_live(&mut self, transport: TransportId, replaced: Option<TransportId>) {
        self.lifecycle.connected();
        self.lifecycle.emit(match self.established {
            true => Event::Resumed { transport, replaced },
            false => Event::Established { transport },
        });
        self.established = true;
    }

    /// A transport has ended. A candidate that ends does not interrupt the session.
    fn dropped(&mut self, path: &Path, now: Instant) {
        if path.proven {
            self.lifecycle.interrupted(path.id, now);
        }
    }

    /// See [`crate::Session::transport_lost`].
    pub(crate) fn transport_lost(&mut self, id: TransportId, now: Instant) -> Option<Fault> {
        let refused = self.give_up_pending(id);

        if let Some(Reading::Transport(transport)) = self.take(id) {
            self.dropped(&transport.path, now);
        }

        refused
    }

    /// See [`crate::Session::send`].
    pub(crate) fn send(&mut self, now: Instant, buffer: &impl ReplayBuffer, out: &mut Vec<u8>, room: usize) {
        let Some(live) = &mut self.live else { return };

        let sealed = match self.abort.take() {
            Some(reason) => live.abort(reason, out),
            None if self.lifecycle.end().is_some() => Ok(()),
            None if !live.has_something(&self.outgoing, &self.incoming, buffer.len(), now) => return,
            None => {
                let limit = out.len().saturating_add(room);
                live.fill(&mut self.outgoing, &mut self.incoming, buffer, now, out, limit)
            }
        };

        let path = live.path;
        if sealed.is_err() {
            self.live = None;
            self.dropped(&path, now);
        } else if self.lifecycle.end().is_some() {
            self.live = None;
        } else {
            self.finish_if_done();
        }
    }

    /// Ends the session once both directions are closed and each end has everything acknowledged.
    fn finish_if_done(&mut self) {
        if self.outgoing.is_done() && self.incoming.is_closed() && self.incoming.is_all_acked() {
            self.lifecycle.finish(End::Closed);
        }
    }

    /// See [`crate::Session::has_output`].
    pub(crate) fn has_output(&self, now: Instant, buffer: &impl ReplayBuffer) -> bool {
        self.live.as_ref().is_some_and(|live| match self.lifecycle.end() {
            Some(_) => self.abort.is_some(),
            None => live.has_something(&self.outgoing, &self.incoming, buffer.len(), now),
        })
    }

    /// See [`crate::Session::close`].
    pub(crate) fn close(&mut self) {
        self.outgoing.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outgoing.is_closed()
    }

    /// See [`crate::Session::abort`].
    pub(crate) fn abort(&mut self, reason: AbortReason) {
        if self.lifecycle.end().is_none() {
            self.abort = Some(reason);
            self.lifecycle.finish(End::Aborted(reason));
        }
    }

    /// See [`crate::Session::timeout`].
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let ack = self.live.as_ref().and(self.incoming.due());
        let candidate = match &self.role {
            Role::Acceptor(acceptor) => acceptor.candidate_expires(),
            Role::Initiator(_) => None,
        };

        [ack, candidate, self.lifecycle.expires()].into_iter().flatten().min()
    }

    /// See [`crate::Session::tick`].
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Role::Acceptor(acceptor) = &mut self.role
            && let Some(transport) = acceptor.give_up(now)
        {
            self.lifecycle.emit(Event::GivenUp { transport });
        }

        self.lifecycle.tick(now);
    }

    /// See [`crate::Session::withhold`].
    pub(crate) fn withhold(&mut self, bytes: usize, now: Instant) {
        self.incoming.withhold(bytes, now);
    }

    /// Bytes received, the close included.
    pub(crate) fn received(&self) -> u64 {
        self.incoming.received()
    }

    #[cfg(test)]
    pub(crate) fn lie_about_received(&mut self, more: u64) {
        self.incoming.lie(more);
    }

    /// See [`crate::Session::retry_after`].
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match &self.role {
            Role::Initiator(initiator) => initiator.retry_after,
            Role::Acceptor(_) => None,
        }
    }

    /// Counts the refusal of an attempt that was made with this ticket (initiator).
    fn refused(&mut self, ticket: Option<SessionId>, status: Status, retry_after: Option<Duration>) -> Fault {
        let fault = Fault::Refused(status);
        let Role::Initiator(initiator) = &mut self.role else { return fault };
        initiator.retry_after = retry_after;

        // A transport that carries the session, or did, has brought a newer ticket, which makes the older one void. So
        // a refusal of the older one says nothing about the session.
        if self.live.is_some() || ticket != initiator.ticket_id() {
            return fault;
        }

        let is_believed = initiator.count_refusal(status);
        self.lifecycle.refused(status);
        if is_believed {
            self.lifecycle.finish(End::Refused(status));
        }

        fault
    }
}

/// Progress within the bytes of one read: plaintext at the front, unread records behind it.
struct ParseCursor {
    plain: usize,
    rest: Range<usize>,
}

impl ParseCursor {
    /// The next record, if all of it is there.
    fn next_record(&self, bytes: &[u8]) -> Result<Option<Range<usize>>, BadLength> {
        let rest = bytes.get(self.rest.clone()).unwrap_or_default();
        let Some(ciphertext) = ciphertext_bytes(rest)? else { return Ok(None) };

        let record = LEN_BYTES + ciphertext;
        Ok((record <= rest.len()).then(|| self.rest.start..self.rest.start + record))
    }
}

/// Why reading stops.
enum Stop {
    /// The transport is of no more use.
    Transport(Fault),
    /// The session is over.
    Session(End),
}

impl From<BadLength> for Stop {
    fn from(BadLength(len): BadLength) -> Self {
        Self::Transport(Fault::BadLength { len })
    }
}

impl From<RecordFault> for Stop {
    fn from(fault: RecordFault) -> Self {
        Self::Transport(match fault {
            RecordFault::NotAuthentic => Fault::NotAuthentic,
            RecordFault::WornOut => Fault::WornOut,
        })
    }
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Self::Session(End::PeerFault(error))
    }
}
