//! For how long the bytes have been held that a link holds.
//!
//! The data path notes no time for what it queues. Each sweep marks what it finds held, and looks whether all that the mark
//! before covers has left. A peer that takes or sends a few bytes now and then, to look alive, does not move the mark. Only
//! time between two looks counts, so a session without a stream, which is not looked at, does not grow older.

use std::time::Duration;

/// What a sweep finds held for a link, counted since the link began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Frames received whole.
    pub received_frames: u64,
    /// Whether the beginning of another frame is there.
    pub is_partial: bool,
    /// Bytes queued for the peer.
    pub queued_bytes: u64,
    /// Those of them that the peer has taken; of a session, acknowledged.
    pub taken_bytes: u64,
    /// Whether bytes were read ahead, or nothing of all this accounts for what is held.
    pub is_other: bool,
}

/// For how long a link has held what it still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldFor {
    /// A frame received in part, named by the number of frames before it.
    partial: Option<Mark>,
    /// Bytes for the peer, up to this count.
    queued: Option<Mark>,
    other: Option<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    at: u64,
    age: Duration,
}

impl HeldFor {
    /// What is known after a look that comes `elapsed` after the one before.
    #[must_use]
    pub(crate) fn look(self, held: Held, elapsed: Duration) -> Self {
        let Held { received_frames, is_partial, queued_bytes, taken_bytes, is_other } = held;
        let older = |mark: Mark| Mark { age: mark.age + elapsed, ..mark };
        let young = |at| Mark { at, age: Duration::ZERO };

        let same_frame = self.partial.filter(|mark| mark.at == received_frames).map(older);
        let not_taken = self.queued.filter(|mark| mark.at > taken_bytes).map(older);
        Self {
            partial: is_partial.then(|| same_frame.unwrap_or(young(received_frames))),
            queued: (queued_bytes > taken_bytes).then(|| not_taken.unwrap_or(young(queued_bytes))),
            other: is_other.then(|| self.other.map_or(young(0), older)),
        }
    }

    /// For how long the oldest bytes have been held, as far as two looks have found them.
    pub(crate) fn oldest(self) -> Duration {
        let marks = self.partial.into_iter().chain(self.queued).chain(self.other);
        marks.map(|mark| mark.age).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many seconds something has been held after looks one second apart: each finds frames received, whether one is
    /// there in part, bytes queued, bytes taken, and whether there is something else.
    fn age(looks: &[(u64, bool, u64, u64, bool)]) -> u64 {
        let after = looks.iter().fold(HeldFor::default(), |held_for, look| {
            let &(received_frames, is_partial, queued_bytes, taken_bytes, is_other) = look;
            let held = Held { received_frames, is_partial, queued_bytes, taken_bytes, is_other };
            held_for.look(held, Duration::from_secs(1))
        });
        after.oldest().as_secs()
    }

    #[test]
    fn what_is_held_is_as_old_as_its_oldest_part() {
        const NO: bool = false;
        for (looks, expected, why) in [
            (&[][..], 0, "nobody has looked"),
            (&[(5, NO, 9, 9, NO)], 0, "nothing is held"),
            (&[(5, true, 9, 9, NO)], 0, "a frame that one look alone has found is no older than that"),
            (
                &[(5, true, 9, 9, NO), (5, true, 9, 9, NO), (5, true, 9, 9, NO)],
                2,
                "the same frame, whatever came of it",
            ),
            (&[(5, true, 9, 9, NO), (5, true, 9, 9, NO), (6, true, 9, 9, NO)], 0, "the next frame"),
            (&[(5, true, 9, 9, NO), (5, NO, 9, 9, NO)], 0, "it is whole"),
            (&[(5, NO, 9, 0, NO), (5, NO, 20, 8, NO)], 1, "a peer that takes a little now and then"),
            (&[(5, NO, 9, 0, NO), (5, NO, 20, 9, NO)], 0, "a peer that has taken what waited at the look before"),
            (&[(5, NO, 9, 0, NO), (5, NO, 20, 9, NO), (5, NO, 30, 19, NO)], 1, "one byte less than all of it"),
            (&[(5, NO, 9, 0, NO), (5, NO, 9, 9, NO)], 0, "a peer that has taken all"),
            (&[(5, true, 9, 0, NO), (5, true, 20, 9, NO)], 1, "the frame is older"),
            (&[(5, true, 9, 0, NO), (6, true, 20, 8, NO)], 1, "the bytes for the peer are older"),
            (&[(5, NO, 9, 9, true), (6, NO, 20, 20, true)], 1, "something else, whatever goes on beside it"),
            (&[(5, NO, 9, 9, true), (6, NO, 20, 20, NO), (7, NO, 30, 30, true)], 0, "it was gone in between"),
        ] {
            assert_eq!(age(looks), expected, "{why}");
        }
    }
}
