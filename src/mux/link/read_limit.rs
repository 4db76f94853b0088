//! How much one read takes from a client, so that the work of a turn is bounded by frames and not by bytes alone.

/// Frames that one read should bring at most: a client that sends many tiny ones takes no more of a turn than others.
const MOST_FRAMES: u64 = 128;
/// Least that a read takes: what a client can send while the worker serves the others.
const LEAST_BYTES: usize = 1 << 10;
/// Where a new link begins. Of the smallest commands, this is about a thousand.
const FIRST_BYTES: usize = 8 << 10;
/// By how much the limit grows with each read that it cut off.
const STEP_BYTES: usize = 2 << 10;

/// Bytes that the next read of a link may take.
///
/// It falls at once to the size at which a read brings 128 frames, judged by the frames of the last read, and grows
/// step by step while fewer than half as many fill it. So whoever mixes large frames with floods of tiny ones gains nothing: over
/// many reads, the tiny ones stay few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadLimit(usize);

impl ReadLimit {
    /// No limit: game servers are trusted, and send for many players.
    pub(crate) const NONE: Self = Self(usize::MAX);

    /// The limit of a new client.
    pub(crate) const FIRST: Self = Self(FIRST_BYTES);

    /// The limit in bytes.
    #[inline]
    pub(crate) const fn bytes(self) -> usize {
        self.0
    }

    /// Adapts the limit to a read of `bytes`, which completed this many frames.
    #[inline]
    pub(crate) fn adapt(&mut self, bytes: usize, frames: u64) {
        if frames > MOST_FRAMES {
            let fitting = (bytes as u64).saturating_mul(MOST_FRAMES) / frames;
            self.0 = usize::try_from(fitting).unwrap_or(usize::MAX).clamp(LEAST_BYTES, self.0.max(LEAST_BYTES));
        } else if bytes >= self.0 && frames < MOST_FRAMES / 2 {
            self.0 = self.0.saturating_add(STEP_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the limit is after reads of so many bytes and frames.
    fn after(reads: &[(usize, u64)]) -> usize {
        let mut limit = ReadLimit::FIRST;
        reads.iter().for_each(|(bytes, frames)| limit.adapt(*bytes, *frames));
        limit.bytes()
    }

    #[test]
    fn the_limit_follows_the_frames_of_the_last_read() {
        for (reads, expected, why) in [
            (&[][..], 8 << 10, "a new link"),
            (&[(4096, 1)], 8 << 10, "a read that took less than it could"),
            (&[(4096, 100)], 8 << 10, "few enough frames"),
            (&[(8 << 10, 1)], 10 << 10, "a large frame that filled the read"),
            (&[(8 << 10, 63)], 10 << 10, "less than half as many frames as there may be"),
            (&[(8 << 10, 128)], 8 << 10, "as many frames as there may be"),
            (&[(8 << 10, 129)], 8128, "one frame more"),
            (&[(8190, 910)], 1152, "pings: 128 of 9 bytes"),
            (&[(8190, 910), (1152, 128)], 1152, "it stays"),
            (&[(8190, 910), (1024, 1000)], 1 << 10, "the least that a read takes"),
            (&[(8 << 10, 0), (10 << 10, 0), (12 << 10, 1)], 14 << 10, "one long frame, step by step"),
            (&[(8 << 10, 0), (10 << 10, 0), (12_000, 1200)], 1280, "tiny frames behind large ones"),
        ] {
            assert_eq!(after(reads), expected, "{why}");
        }
    }

    #[test]
    fn mixing_large_frames_with_tiny_ones_gains_little() {
        let (mut limit, mut total, reads) = (ReadLimit::FIRST, 0, 10_000);
        for read in 0..reads {
            // Large frames until the limit is 256 KiB, then pings alone.
            let bytes = limit.bytes().min(256 << 10);
            let frames = if bytes == 256 << 10 || read % 2 == 0 && bytes < 8 << 10 { bytes as u64 / 9 } else { 1 };
            limit.adapt(bytes, frames);
            total += frames;
        }
        assert!(total / reads <= 2 * MOST_FRAMES, "{} frames a read", total / reads);
    }

    #[test]
    fn a_server_is_not_limited() {
        let mut limit = ReadLimit::NONE;
        limit.adapt(usize::MAX, 1);
        assert_eq!(limit, ReadLimit::NONE);
    }
}
