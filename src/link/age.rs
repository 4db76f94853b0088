//! For how long the bytes have been held that a link holds.
//!
//! The data path notes no time for what it queues. Each sweep marks what it finds held, and looks whether all that the mark
//! before covers has left. A peer that takes or sends a few bytes now and then, to look alive, does not move the mark.

use crate::clock::Millis;

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
}

/// When a link was first found holding what it still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldSince {
    /// A frame received in part, named by the number of frames before it.
    partial: Option<Mark>,
    /// Bytes for the peer, up to this count.
    queued: Option<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    at: u64,
    since: Millis,
}

impl HeldSince {
    /// What is known after a look at `now`.
    #[must_use]
    pub(crate) fn look(self, held: Held, now: Millis) -> Self {
        let Held { received_frames, is_partial, queued_bytes, taken_bytes } = held;
        let same_frame = self.partial.filter(|mark| mark.at == received_frames);
        let not_taken = self.queued.filter(|mark| mark.at > taken_bytes);
        let partial = is_partial.then(|| same_frame.unwrap_or(Mark { at: received_frames, since: now }));
        let queued = (queued_bytes > taken_bytes).then(|| not_taken.unwrap_or(Mark { at: queued_bytes, since: now }));
        Self { partial, queued }
    }

    /// Since when the oldest bytes have been held; `None`: the last look found none.
    pub(crate) fn oldest(self) -> Option<Millis> {
        self.partial.into_iter().chain(self.queued).map(|mark| mark.since).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Millis {
        Millis::default() + Duration::from_secs(seconds)
    }

    /// Since which second something has been held after looks one second apart: each finds frames received, whether one is
    /// there in part, bytes queued, and bytes taken.
    fn since(looks: &[(u64, bool, u64, u64)]) -> Option<Millis> {
        let looks = (0..).map(at).zip(looks);
        let after = looks.fold(HeldSince::default(), |since, (now, look)| {
            let &(received_frames, is_partial, queued_bytes, taken_bytes) = look;
            since.look(Held { received_frames, is_partial, queued_bytes, taken_bytes }, now)
        });
        after.oldest()
    }

    #[test]
    fn what_is_held_is_as_old_as_its_oldest_part() {
        for (looks, oldest, why) in [
            (&[][..], None, "nobody has looked"),
            (&[(5, false, 9, 9)], None, "nothing is held"),
            (&[(5, true, 9, 9)], Some(0), "the beginning of a frame"),
            (&[(5, true, 9, 9), (5, true, 9, 9), (5, true, 9, 9)], Some(0), "the same frame, whatever came of it"),
            (&[(5, true, 9, 9), (6, true, 9, 9)], Some(1), "the next frame"),
            (&[(5, true, 9, 9), (6, false, 9, 9)], None, "it is whole"),
            (&[(5, false, 9, 0)], Some(0), "bytes for the peer"),
            (&[(5, false, 9, 0), (5, false, 20, 8)], Some(0), "a peer that takes a little now and then"),
            (&[(5, false, 9, 0), (5, false, 20, 9)], Some(1), "a peer that has taken what waited at the look before"),
            (&[(5, false, 9, 0), (5, false, 20, 9), (5, false, 30, 19)], Some(1), "one byte less than all of it"),
            (&[(5, false, 9, 0), (5, false, 9, 9)], None, "a peer that has taken all"),
            (&[(5, true, 9, 0), (5, true, 20, 9)], Some(0), "the frame is older"),
            (&[(5, true, 9, 0), (6, true, 20, 8)], Some(0), "the bytes for the peer are older"),
        ] {
            assert_eq!(since(looks), oldest.map(at), "{why}");
        }
    }
}
