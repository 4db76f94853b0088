//! What was read of a session before its link was read: how much of it there may be, and what is read next.

use std::collections::VecDeque;

use fastway_session::MIN_READ_BYTES;

use crate::mux::routing::Side;

/// Bytes that are read ahead of a link that is not read: what they acknowledge must not wait.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// The same of a client while too many answers wait for acknowledgements: these stand behind what the peer had sent before
/// it had the answers. More than most clients have on their way, and far less than a stranger may be given. A server has
/// proven who it is, and may be read ahead as far as may be kept for it.
const READ_AHEAD_FOR_ACKS_BYTES: usize = 5 * READ_AHEAD_BYTES;
/// Bytes that are read ahead beyond all others for the sake of candidates: each that proves itself while the link is not
/// read adds a record or two.
const PROBE_BYTES: usize = 8 * READ_AHEAD_BYTES;

/// Bytes of the stream that were read before there was a link, or while it was not read.
#[derive(Debug)]
pub(super) struct ReadAhead {
    side: Side,
    bytes: VecDeque<u8>,
    /// How many there may be while answers wait for acknowledgements.
    most_for_acks: usize,
    /// How many there may be while the peer is pressed to acknowledge.
    most_if_pressed: usize,
}

/// What may be read next, though the link is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Any stream.
    Anything,
    /// Candidates alone: each may prove itself.
    Proofs,
    Nothing,
}

impl Next {
    /// Bytes of one read of any stream.
    pub(super) const ANYTHING_BYTES: usize = READ_AHEAD_BYTES;
    /// Bytes of one read of a candidate.
    pub(super) const PROOF_BYTES: usize = MIN_READ_BYTES;
}

impl ReadAhead {
    /// For a session of which up to `most_unacked` bytes are kept to be sent again.
    pub(super) fn new(side: Side, most_unacked: usize) -> Self {
        let mut read_ahead = Self { side, bytes: VecDeque::new(), most_for_acks: 0, most_if_pressed: 0 };
        read_ahead.set_most_unacked(most_unacked);
        read_ahead
    }

    /// From now on up to `most_unacked` bytes are kept to be sent again.
    pub(super) fn set_most_unacked(&mut self, most_unacked: usize) {
        self.most_if_pressed = most_unacked;
        self.most_for_acks = match self.side {
            Side::Client => READ_AHEAD_FOR_ACKS_BYTES,
            Side::Server => most_unacked.max(READ_AHEAD_FOR_ACKS_BYTES),
        };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Memory that the bytes take.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Moves as many bytes as fit into `space`; not always all of them.
    pub(super) fn take(&mut self, space: &mut [u8]) -> usize {
        let (front, _) = self.bytes.as_slices();
        let count = front.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), front.get(..count)) {
            to.copy_from_slice(from);
        }
        self.bytes.drain(..count);
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
        count
    }

    /// What may be read next. `awaits_acks`: the link is not read until the peer has acknowledged answers to its own
    /// requests; `is_pressed`: the peer may soon be closed as slow.
    pub(super) fn next(&self, awaits_acks: bool, is_pressed: bool) -> Next {
        if self.len() < self.most(awaits_acks, is_pressed) {
            Next::Anything
        } else if self.len() < self.most_if_pressed.saturating_add(PROBE_BYTES) {
            Next::Proofs
        } else {
            Next::Nothing
        }
    }

    /// Whether there is as much as is read ahead of any link, and there may be more now.
    pub(super) fn may_grow(&self, awaits_acks: bool, is_pressed: bool) -> bool {
        (READ_AHEAD_BYTES..self.most(awaits_acks, is_pressed)).contains(&self.len())
    }

    /// Bytes that may be there, but for those of candidates. A peer that has sent more than a little must not be closed as
    /// slow for acknowledgements that wait behind that.
    fn most(&self, awaits_acks: bool, is_pressed: bool) -> usize {
        let least = if awaits_acks { self.most_for_acks } else { READ_AHEAD_BYTES };
        if is_pressed { self.most_if_pressed.max(least) } else { least }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    #[test]
    fn what_is_read_ahead_depends_on_what_the_acknowledgements_are_for() {
        use Next::{Anything, Nothing, Proofs};
        const YES: bool = true;
        const NO: bool = false;
        for (side, awaits_acks, is_pressed, len, next, may_grow) in [
            (Side::Client, NO, NO, 64 * KIB - 1, Anything, NO),
            (Side::Client, NO, NO, 64 * KIB, Proofs, NO),
            (Side::Client, YES, NO, 64 * KIB, Anything, YES),
            (Side::Client, YES, NO, 320 * KIB - 1, Anything, YES),
            (Side::Client, YES, NO, 320 * KIB, Proofs, NO),
            (Side::Client, NO, YES, 1000 * KIB - 1, Anything, YES),
            (Side::Client, NO, YES, 1000 * KIB, Proofs, NO),
            (Side::Client, YES, YES, 1000 * KIB, Proofs, NO),
            (Side::Server, YES, NO, 1000 * KIB - 1, Anything, YES),
            (Side::Server, YES, NO, 1000 * KIB, Proofs, NO),
            (Side::Server, NO, NO, 64 * KIB, Proofs, NO),
            (Side::Client, YES, YES, 1512 * KIB - 1, Proofs, NO),
            (Side::Client, YES, YES, 1512 * KIB, Nothing, NO),
        ] {
            let mut ahead = ReadAhead::new(side, 1000 * KIB);
            ahead.push(&vec![0; len]);
            let what = format!("{side}: {awaits_acks} {is_pressed} {len}");
            assert_eq!(ahead.next(awaits_acks, is_pressed), next, "{what}");
            assert_eq!(ahead.may_grow(awaits_acks, is_pressed), may_grow, "{what}");
        }
    }

    #[test]
    fn a_small_bound_on_what_is_kept_does_not_keep_acknowledgements_from_being_read() {
        let mut ahead = ReadAhead::new(Side::Server, KIB);
        ahead.push(&[0; 64 * KIB]);
        assert_eq!((ahead.next(true, true), ahead.next(false, true)), (Next::Anything, Next::Proofs));
    }

    #[test]
    fn what_was_read_ahead_is_taken_in_order_and_leaves_no_memory() {
        let mut ahead = ReadAhead::new(Side::Client, KIB);
        ahead.push(b"hello");
        let mut space = [0; 3];
        assert_eq!((ahead.take(&mut space), &space), (3, b"hel"));
        assert_eq!((ahead.take(&mut space), &space[..2]), (2, &b"lo"[..]));
        assert_eq!((ahead.take(&mut space), ahead.held_bytes()), (0, 0));
    }
}
