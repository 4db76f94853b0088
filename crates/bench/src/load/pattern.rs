//! What is in the payloads: who sent it, the how manieth it is, and bytes that both ends can tell.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Bytes of a [`Tag`]; no payload is shorter.
pub(crate) const TAG_BYTES: usize = 8;

/// How many places of the block a payload may begin at. Small enough for the first-level cache to hold them all.
const SHIFTS: u32 = 4093;

/// The beginning of a payload: the stream it belongs to, and its number there, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) stream: u32,
    pub(crate) number: u32,
}

impl Tag {
    fn to_bytes(self) -> [u8; TAG_BYTES] {
        let [s0, s1, s2, s3] = self.stream.to_le_bytes();
        let [n0, n1, n2, n3] = self.number.to_le_bytes();
        [s0, s1, s2, s3, n0, n1, n2, n3]
    }

    /// The tag of a payload, and what is behind it.
    pub(crate) fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (stream, behind) = payload.split_first_chunk()?;
        let (number, body) = behind.split_first_chunk()?;
        Some((Self { stream: u32::from_le_bytes(*stream), number: u32::from_le_bytes(*number) }, body))
    }

    /// Neighbouring frames of a stream, and the same frame of neighbouring streams, begin at different places.
    fn shift(self) -> usize {
        (self.number.wrapping_mul(31).wrapping_add(self.stream.wrapping_mul(1009)) % SHIFTS) as usize
    }
}

/// A block of random bytes. What stands behind a tag is the part of it that begins where the tag says, so writing a
/// payload is one copy and checking it one comparison.
#[derive(Debug)]
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    /// For payloads of up to `longest` bytes.
    pub(crate) fn new(seed: u64, longest: usize) -> Self {
        let mut block = vec![0; longest + SHIFTS as usize];
        SmallRng::seed_from_u64(seed).fill_bytes(&mut block);
        Self(block)
    }

    fn body(&self, tag: Tag, bytes: usize) -> &[u8] {
        self.0.get(tag.shift()..).and_then(|block| block.get(..bytes)).unwrap_or_default()
    }

    /// Appends the payload of `bytes` bytes that belongs to `tag`.
    #[inline]
    pub(crate) fn write(&self, tag: Tag, bytes: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&tag.to_bytes());
        out.extend_from_slice(self.body(tag, bytes.saturating_sub(TAG_BYTES)));
    }

    /// Whether `payload` is what [`Pattern::write`] makes for `tag`, whatever its length.
    #[inline]
    pub(crate) fn matches(&self, tag: Tag, payload: &[u8]) -> bool {
        payload.split_first_chunk::<TAG_BYTES>().is_some_and(|(head, body)| {
            *head == tag.to_bytes() && body.len() + tag.shift() <= self.0.len() && self.body(tag, body.len()) == body
        })
    }

    /// Index of the first byte of `payload` that differs from the payload of `tag`.
    pub(crate) fn first_difference(&self, tag: Tag, payload: &[u8]) -> Option<usize> {
        let mut wanted = Vec::new();
        self.write(tag, payload.len(), &mut wanted);
        wanted.iter().zip(payload).position(|(wanted, got)| wanted != got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag { stream: 7, number: 12 };

    fn payload(pattern: &Pattern, bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        pattern.write(TAG, bytes, &mut out);
        out
    }

    #[test]
    fn a_payload_matches_its_own_tag_and_no_other() {
        let pattern = Pattern::new(1, 64);
        for bytes in [TAG_BYTES, 9, 64] {
            let payload = payload(&pattern, bytes);
            assert_eq!(payload.len(), bytes);
            assert!(pattern.matches(TAG, &payload));
            assert!(!pattern.matches(Tag { number: 13, ..TAG }, &payload));
            assert!(!pattern.matches(Tag { stream: 8, ..TAG }, &payload));
        }
    }

    #[test]
    fn every_changed_bit_is_seen_and_its_place_named() {
        let pattern = Pattern::new(2, 64);
        for bit in 0..64 * 8 {
            let mut payload = payload(&pattern, 64);
            payload[bit / 8] ^= 1 << (bit % 8);
            assert!(!pattern.matches(TAG, &payload), "bit {bit}");
            assert_eq!(pattern.first_difference(TAG, &payload), Some(bit / 8));
        }
    }

    #[test]
    fn the_body_of_one_frame_does_not_pass_for_that_of_the_next() {
        let pattern = Pattern::new(3, 64);
        for number in 0..2 * SHIFTS {
            let [one, next] = [number, number + 1].map(|number| pattern.body(Tag { stream: 7, number }, 16));
            assert_ne!(one, next, "frame {number}");
        }
    }

    #[test]
    fn what_is_too_short_or_too_long_matches_nothing() {
        let pattern = Pattern::new(4, 64);
        assert!(!pattern.matches(TAG, &payload(&pattern, 64)[..7]));
        assert!(!pattern.matches(TAG, &[payload(&pattern, 64), vec![0; 1 << 20]].concat()));
    }
}
