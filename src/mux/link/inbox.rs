//! The frame that a link has received in part.
//!
//! Whole frames are parsed where they were read; only the frame that a read cut off is kept here, in pooled chunks
//! that follow the bytes received, never the length announced.

use std::cmp::min;

use fastway_wire::{Command, FrameError, frame_bytes};

use crate::mux::pool::{Chunk, LocalPool};

/// Chunks that the inbox of a quiet link keeps room for: enough for most frames.
const KEPT_CHUNKS: usize = 8;

/// A frame in the making. Empty, it holds no buffer.
#[derive(Debug, Default)]
pub struct Inbox {
    chunks: Vec<Chunk>,
    received: usize,
}

/// How far [`Inbox::fill`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All input was taken and the frame is still not complete.
    Partial,
    /// The frame is complete after this many bytes of input.
    Complete(usize),
}

/// What is needed to place a buffer for a partial frame.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Longest frame accepted, as the wire counts it.
    pub max_packet: u32,
    /// Size of the first buffer in bytes.
    pub first_bytes: usize,
}

impl Inbox {
    /// Whether no frame is in the making.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// Bytes received of the frame in the making.
    pub fn received(&self) -> usize {
        self.received
    }

    /// Memory that the chunks take, in bytes.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::capacity).sum()
    }

    /// Takes input up to the end of the frame in the making.
    ///
    /// # Errors
    /// A length that the grammar forbids, as soon as its four bytes are there.
    pub fn fill(&mut self, pool: &mut LocalPool, sizes: Sizes, input: &[u8]) -> Result<Progress, FrameError> {
        let mut taken = 0;
        loop {
            let total = frame_bytes(self.head(), sizes.max_packet)?;
            let wanted = total.unwrap_or(fastway_wire::LEN_BYTES) - self.received;
            if wanted == 0 {
                return Ok(Progress::Complete(taken));
            }

            let rest = input.get(taken..).unwrap_or_default();
            let Some(part) = rest.get(..min(wanted, rest.len())).filter(|part| !part.is_empty()) else {
                return Ok(Progress::Partial);
            };
            taken += self.store(pool, sizes, total, part);
        }
    }

    /// The beginning of the frame, enough for its header and for the args of any command.
    pub fn head(&self) -> &[u8] {
        self.chunks.first().map_or(&[], Chunk::filled)
    }

    /// The frame's bytes so far, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// Takes the chunks of the complete frame out.
    pub fn take(&mut self) -> impl Iterator<Item = Chunk> + '_ {
        self.received = 0;
        self.chunks.drain(..)
    }

    /// Drops the frame in the making.
    pub fn clear(&mut self, pool: &mut LocalPool) {
        self.take().for_each(|chunk| pool.give(chunk));
    }

    /// Keeps little room when no frame is in the making, for a link that has become quiet.
    pub fn trim(&mut self) {
        self.chunks.shrink_to(KEPT_CHUNKS);
    }

    fn store(&mut self, pool: &mut LocalPool, sizes: Sizes, total: Option<usize>, part: &[u8]) -> usize {
        let room = self.chunks.last().map_or(0, Chunk::spare);
        if room == 0 {
            let first = sizes.first_bytes.max(Command::MAX_FRAME_BYTES);
            let missing = total.map_or(first, |total| total - self.received);
            self.chunks.push(pool.take(min(missing, first.max(self.received)).max(Command::MAX_FRAME_BYTES)));
        }
        let stored = self.chunks.last_mut().map_or(0, |chunk| chunk.fill(part));
        self.received += stored;
        stored
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mux::pool::{Pool, PoolConfig};

    const SIZES: Sizes = Sizes { max_packet: 10_000, first_bytes: 64 };

    fn local_pool() -> LocalPool {
        LocalPool::new(Pool::new(&PoolConfig { max_chunk: 512, page_bytes: 4096, ..PoolConfig::default() }))
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap() + 4;
        [&len.to_le_bytes()[..], &7u32.to_le_bytes(), payload].concat()
    }

    #[test]
    fn the_announced_length_takes_no_memory() {
        let shared = Pool::new(&PoolConfig::default());
        let mut pool = LocalPool::new(shared.clone());
        let mut inbox = Inbox::default();
        let progress = inbox.fill(&mut pool, Sizes { max_packet: 1 << 20, first_bytes: 2048 }, &[0, 0, 8, 0, 1]);
        assert_eq!(progress, Ok(Progress::Partial));
        let held: usize = shared.report().iter().map(|class| class.in_use * class.chunk_bytes).sum();
        assert!(held <= 2048, "{held}");
        inbox.clear(&mut pool);
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_forbidden_length_is_reported_with_its_fourth_byte() {
        let (mut pool, mut inbox) = (local_pool(), Inbox::default());
        assert_eq!(inbox.fill(&mut pool, SIZES, &[3, 0, 0]), Ok(Progress::Partial));
        assert_eq!(inbox.fill(&mut pool, SIZES, &[0]), Err(FrameError::TooShort { len: 3 }));
    }

    proptest! {
        #[test]
        fn a_frame_is_whole_however_it_was_cut(
            payload in prop::collection::vec(any::<u8>(), 0..9000),
            cuts in prop::collection::vec(1..2000usize, 1..50),
            tail in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let (mut pool, mut inbox) = (local_pool(), Inbox::default());
            let expected = frame(&payload);
            let stream = [&expected[..], &tail].concat();
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            loop {
                let end = min(at + cuts.next().unwrap(), stream.len());
                match inbox.fill(&mut pool, SIZES, &stream[at..end]).unwrap() {
                    Progress::Partial => at = end,
                    Progress::Complete(taken) => {
                        at += taken;
                        break;
                    }
                }
            }
            prop_assert_eq!(at, expected.len());
            prop_assert!(inbox.head().len() >= min(Command::MAX_FRAME_BYTES, expected.len()));
            let got: Vec<u8> = inbox.take().flat_map(|chunk| chunk.filled().to_vec()).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
