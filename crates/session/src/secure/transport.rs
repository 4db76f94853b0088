//! One transport of a secure session: its keys, and its positions in both directions of the stream (`docs/protocol.md`
//! §3.2, §3.3).

use std::time::Instant;

use super::noise::TransportKeys;
use super::record::{Batch, CipherKey, RecordFault, Trailer, most_stream_bytes};
use super::stream::{Incoming, Next, Outgoing};
use crate::{AbortReason, ReplayBuffer, TransportId};

/// A transport with its keys, which are wiped when it is dropped.
pub(super) struct Transport {
    pub(super) path: Path,
    sealing: CipherKey,
    pub(super) opening: CipherKey,
    /// A record that was received in part.
    pub(super) unfinished: Vec<u8>,
}

/// The positions of a transport, and what each end has proven on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) id: TransportId,
    /// The number of the attempt; 0 for the transport that opened the session.
    pub(super) attempt: u32,
    /// Whether the other end has proven that it has the same keys.
    pub(super) proven: bool,
    /// Whether this end still has to send a first record as its proof.
    proof_owed: bool,
    /// Whether the other end has acknowledged something on this transport. Always true at an acceptor, which does not
    /// ask.
    pub(super) confirmed: bool,
    /// Count of the stream's bytes sent or skipped so far: the next record starts here.
    pub(super) cursor: u64,
    /// Count at which the next received byte stands.
    pub(super) position: u64,
    /// Count that this end had acknowledged when the transport began.
    pub(super) acked_to_peer: u64,
}

impl Path {
    /// An acceptor's path: unproven. The other end has received `cursor` bytes, and knows that this end has received
    /// `acked_to_peer`.
    pub(super) const fn accepted(id: TransportId, attempt: u32, cursor: u64, acked_to_peer: u64) -> Self {
        let (proven, proof_owed, confirmed) = (false, false, true);
        Self { id, attempt, proven, proof_owed, confirmed, cursor, position: acked_to_peer, acked_to_peer }
    }

    /// An initiator's path: proven by the acceptor's reply.
    pub(super) const fn initiated(id: TransportId, attempt: u32, cursor: u64, acked_to_peer: u64) -> Self {
        let (proven, proof_owed, confirmed) = (true, true, false);
        Self { id, attempt, proven, proof_owed, confirmed, cursor, position: acked_to_peer, acked_to_peer }
    }
}

impl Transport {
    pub(super) fn new(path: Path, keys: TransportKeys) -> Self {
        Self { path, sealing: keys.sealing, opening: keys.opening, unfinished: Vec::new() }
    }

    /// Whether [`Self::fill`] would write something.
    pub(super) fn has_something(&self, outgoing: &Outgoing, incoming: &Incoming, unacked: usize, now: Instant) -> bool {
        self.path.proof_owed || incoming.is_ack_due(now) || outgoing.next(self.path.cursor, unacked) != Next::Nothing
    }

    /// Seals data, acknowledgements and the close, in records as large as possible, until `out` has `limit` bytes or
    /// more. Before the other end has proven itself, records carry data and the close, but no acknowledgements.
    pub(super) fn fill(
        &mut self,
        outgoing: &mut Outgoing,
        incoming: &mut Incoming,
        buffer: &impl ReplayBuffer,
        now: Instant,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), RecordFault> {
        let Self { path, sealing, .. } = self;
        let mut batch = sealing.batch().ok_or(RecordFault::WornOut)?;

        while out.len() < limit {
            let next = outgoing.next(path.cursor, buffer.len());
            let must_ack = path.proof_owed || path.proven && incoming.is_ack_due(now);
            let may_ack = path.proof_owed || path.proven && incoming.owes_ack();

            match next {
                Next::Bytes { from, bytes } => {
                    path.cursor +=
                        stream_record(&mut batch, out, buffer, from, bytes, may_ack.then(|| incoming.take_ack()))?;
                }
                // No data carries the acknowledgement, so it gets a record of its own.
                _ if must_ack => batch.seal(out, 0, |_| (), Trailer::Ack { received: incoming.take_ack() })?,
                Next::Close => {
                    batch.seal(out, 0, |_| (), Trailer::Close)?;
                    path.cursor += 1;
                }
                Next::Nothing => break,
            }

            path.proof_owed = false;
            outgoing.advance(path.cursor);
        }

        Ok(())
    }

    /// Keeps a record that was received in part. An empty rest frees the memory: most transports have none most of the
    /// time.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.unfinished = Vec::new();
        } else {
            self.unfinished.clear();
            self.unfinished.extend_from_slice(rest);
        }
    }

    pub(super) fn abort(&mut self, reason: AbortReason, out: &mut Vec<u8>) -> Result<(), RecordFault> {
        let mut batch = self.sealing.batch().ok_or(RecordFault::WornOut)?;
        batch.seal(out, 0, |_| (), Trailer::Abort(reason))
    }
}

/// Seals one record of the stream. Returns how many of the `bytes` it carries.
fn stream_record(
    batch: &mut Batch<'_>,
    out: &mut Vec<u8>,
    buffer: &impl ReplayBuffer,
    from: usize,
    bytes: usize,
    ack: Option<u64>,
) -> Result<u64, RecordFault> {
    let bytes = bytes.min(most_stream_bytes(ack.is_some()));
    let trailer = ack.map_or(Trailer::Data, |received| Trailer::Ack { received });
    batch.seal(out, bytes, |to| buffer.copy(from, to), trailer)?;
    Ok(bytes as u64)
}
