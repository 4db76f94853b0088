//! One transport of a secure session.

use std::time::Instant;

use super::noise::TransportKeys;
use super::record::{Batch, CipherKey, RecordFault, Trailer, most_stream_bytes};
use super::stream::{Incoming, Next, Outgoing};
use crate::{AbortReason, ReplayBuffer, TransportId};

/// Keys and places in the stream. Dropping it is the end of its keys.
pub(super) struct Transport {
    pub(super) path: Path,
    sealing: CipherKey,
    pub(super) opening: CipherKey,
    /// The record that was received in part.
    pub(super) unfinished: Vec<u8>,
}

/// Where a transport is in both directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) id: TransportId,
    /// The attempt that made it; 0 for the one that opened the session.
    pub(super) attempt: u32,
    /// Whether the other end is known to have the same keys.
    pub(super) proven: bool,
    /// Whether this end has to show that it lives.
    proof_owed: bool,
    /// Whether the other end has acknowledged something by it, or nobody asks whether it has.
    pub(super) confirmed: bool,
    /// Count before which the other end was given everything.
    pub(super) cursor: u64,
    /// Count at which the next byte received stands.
    pub(super) position: u64,
    /// Count that was acknowledged when the transport began.
    pub(super) acked_to_peer: u64,
}

impl Path {
    /// The acceptor's: unproven. The other end has `cursor` bytes and knows that this one has `acked_to_peer`.
    pub(super) const fn accepted(id: TransportId, attempt: u32, cursor: u64, acked_to_peer: u64) -> Self {
        let (proven, proof_owed, confirmed) = (false, false, true);
        Self { id, attempt, proven, proof_owed, confirmed, cursor, position: acked_to_peer, acked_to_peer }
    }

    /// The initiator's: the acceptor's reply has proven it.
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

    /// Seals what waits, in records as large as there is data for, until `out` has `limit` bytes or more. A transport
    /// that is not proven is told nothing but the stream.
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
                _ if must_ack => batch.seal(out, 0, |_| (), Trailer::Ack { received: incoming.take_ack() })?,
                Next::Close => {
                    batch.seal(out, 0, |_| (), Trailer::Close)?;
                    path.cursor += 1;
                }
                Next::Nothing => break,
            }
            path.proof_owed = false;
            outgoing.gave(path.cursor);
        }
        Ok(())
    }

    /// Keeps what was received of a record in part; nothing takes no memory.
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

/// One record of the stream; returns how many of the `bytes` it took.
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
