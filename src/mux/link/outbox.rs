//! What waits to be sent on a link: a byte stream in pooled chunks, counted in packets and in bytes.

use std::collections::VecDeque;
use std::io::IoSlice;

use fastway_admin::observe::Waiting;

use crate::mux::pool::{Chunk, LocalPool};
use crate::mux::routing::Origin;

/// Smallest chunk that an outbox asks for, in bytes: a few small packets share one.
const FIRST_CHUNK_BYTES: usize = 256;

/// Segments that the outbox of a quiet link keeps room for: enough for a few packets now and then.
const KEPT_SEGMENTS: usize = 8;

/// The bounded queue of a link. The bounds are its owner's business; it counts.
#[derive(Debug, Default)]
pub struct Outbox {
    segments: VecDeque<Segment>,
    waiting: Waiting,
    /// Size of all chunks.
    chunk_bytes: usize,
}

#[derive(Debug)]
struct Segment {
    chunk: Chunk,
    sent: usize,
    packets: usize,
    answers: usize,
}

impl Outbox {
    /// Copies `bytes`, which hold `packets` whole packets, to the end of the queue.
    #[inline]
    pub fn append(&mut self, pool: &mut LocalPool, bytes: &[u8], packets: usize, origin: Origin) {
        self.copy(pool, bytes);
        self.count(bytes.len(), packets, if origin == Origin::Itself { packets } else { 0 });
    }

    /// Copies one packet, which was received in parts, to the end of the queue.
    pub fn append_parts<'a>(&mut self, pool: &mut LocalPool, parts: impl Iterator<Item = &'a [u8]>) {
        let mut bytes = 0;
        for part in parts {
            bytes += part.len();
            self.copy(pool, part);
        }
        self.count(bytes, 1, 0);
    }

    #[inline]
    fn copy(&mut self, pool: &mut LocalPool, bytes: &[u8]) {
        let mut rest = bytes;
        let mut size = FIRST_CHUNK_BYTES;

        // First the room that is left. Chunks double, so that a long backlog needs few of them.
        if let Some(last) = self.segments.back_mut() {
            let taken = last.chunk.fill(rest);
            rest = rest.get(taken..).unwrap_or_default();
            size = last.chunk.capacity() * 2;
        }

        while !rest.is_empty() {
            let mut chunk = pool.take(size.max(rest.len()).min(pool.max_chunk_bytes()));
            let taken = chunk.fill(rest);
            rest = rest.get(taken..).unwrap_or_default();
            self.push(chunk);
        }
    }

    /// Hands one packet over without a copy, in the chunks that it was received in.
    pub fn append_chunks(&mut self, chunks: impl Iterator<Item = Chunk>) {
        let mut bytes = 0;
        for chunk in chunks {
            bytes += chunk.filled().len();
            self.push(chunk);
        }
        self.count(bytes, 1, 0);
    }

    #[inline]
    fn push(&mut self, chunk: Chunk) {
        self.chunk_bytes += chunk.capacity();
        self.segments.push_back(Segment { chunk, sent: 0, packets: 0, answers: 0 });
    }

    fn count(&mut self, bytes: usize, packets: usize, answers: usize) {
        if let Some(last) = self.segments.back_mut() {
            last.packets += packets;
            last.answers += answers;
            self.waiting.bytes += bytes;
            self.waiting.packets += packets;
            self.waiting.answers += answers;
        }
    }

    /// How much waits.
    #[inline]
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Memory that the chunks take, in bytes.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The unsent part of the first segment, when it is the only one.
    #[inline]
    pub fn single(&self) -> Option<&[u8]> {
        match self.segments.front() {
            Some(only) if self.segments.len() == 1 => Some(only.unsent()),
            _ => None,
        }
    }

    /// The unsent part of the oldest segment.
    pub fn first(&self) -> Option<&[u8]> {
        self.segments.front().map(Segment::unsent)
    }

    /// Fills `slices` with what waits, oldest first, and returns how many were filled.
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment.unsent());
            filled += 1;
        }
        filled
    }

    /// Drops the `sent` oldest bytes.
    #[inline]
    pub fn advance(&mut self, pool: &mut LocalPool, sent: usize) {
        let mut left = sent;
        while let Some(first) = self.segments.front_mut() {
            let unsent = first.unsent().len();
            if left < unsent {
                first.sent += left;
                self.waiting.bytes -= left;
                return;
            }
            left -= unsent;
            self.drop_first(pool);
        }

        // The next segment takes the place that is in the processor's cache, not the one after it.
        self.segments.clear();
    }

    /// Keeps little room when nothing waits, for a link that has become quiet.
    pub fn trim(&mut self) {
        if self.is_empty() && self.segments.capacity() > KEPT_SEGMENTS {
            self.segments = VecDeque::new();
        }
    }

    /// Drops all that waits.
    pub fn clear(&mut self, pool: &mut LocalPool) {
        while !self.segments.is_empty() {
            self.drop_first(pool);
        }
        self.segments = VecDeque::new();
    }

    fn drop_first(&mut self, pool: &mut LocalPool) {
        if let Some(first) = self.segments.pop_front() {
            self.waiting.bytes -= first.unsent().len();
            self.waiting.packets -= first.packets;
            self.waiting.answers -= first.answers;
            self.chunk_bytes -= first.chunk.capacity();
            pool.give(first.chunk);
        }
    }
}

impl Segment {
    #[inline]
    fn unsent(&self) -> &[u8] {
        self.chunk.filled().get(self.sent..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mux::pool::{Pool, PoolConfig};

    fn local_pool() -> LocalPool {
        LocalPool::new(Pool::new(&PoolConfig { max_chunk: 1024, page_bytes: 4096, ..PoolConfig::default() }))
    }

    fn drain(outbox: &mut Outbox, pool: &mut LocalPool, at_a_time: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = outbox.gather(&mut slices);
            let seen: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let sent = seen.len().min(at_a_time);
            out.extend_from_slice(&seen[..sent]);
            outbox.advance(pool, sent);
        }
        out
    }

    #[test]
    fn an_empty_outbox_holds_no_buffer() {
        let shared = Pool::new(&PoolConfig::default());
        let mut pool = LocalPool::new(shared.clone());
        let mut outbox = Outbox::default();
        outbox.append(&mut pool, b"one", 1, Origin::Others);
        assert_eq!(outbox.single(), Some(&b"one"[..]));
        outbox.advance(&mut pool, 3);
        assert!(outbox.is_empty());
        assert_eq!(shared.report().iter().map(|class| class.in_use).sum::<usize>(), 0);
    }

    #[test]
    fn room_for_many_segments_is_kept_until_the_link_is_quiet() {
        let mut pool = local_pool();
        let mut outbox = Outbox::default();
        outbox.append(&mut pool, &[7; 64 << 10], 1, Origin::Others);
        outbox.trim();
        assert_eq!(drain(&mut outbox, &mut pool, usize::MAX).len(), 64 << 10);
        assert!(outbox.segments.capacity() > KEPT_SEGMENTS);
        outbox.trim();
        assert_eq!(outbox.segments.capacity(), 0);
    }

    #[test]
    fn answers_are_counted_until_they_are_sent() {
        let mut pool = local_pool();
        let mut outbox = Outbox::default();
        outbox.append(&mut pool, b"pong", 1, Origin::Itself);
        outbox.append(&mut pool, b"data", 1, Origin::Others);
        assert_eq!(outbox.waiting(), Waiting { bytes: 8, packets: 2, answers: 1 });
        outbox.advance(&mut pool, 5);
        assert_eq!(outbox.waiting(), Waiting { bytes: 3, packets: 2, answers: 1 });
        outbox.advance(&mut pool, 3);
        assert_eq!(outbox.waiting(), Waiting::default());
    }

    proptest! {
        #[test]
        fn bytes_leave_in_the_order_in_which_they_came(
            packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3000), any::<bool>()), 0..20),
            at_a_time in 1..5000usize,
        ) {
            let mut pool = local_pool();
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (packet, hand_over) in &packets {
                expected.extend_from_slice(packet);
                if *hand_over && !packet.is_empty() {
                    let chunks = packet.chunks(1024).map(|part| {
                        let mut chunk = pool.take(part.len());
                        chunk.fill(part);
                        chunk
                    });
                    let chunks: Vec<Chunk> = chunks.collect();
                    outbox.append_chunks(chunks.into_iter());
                } else {
                    outbox.append(&mut pool, packet, 1, Origin::Others);
                }
            }
            prop_assert_eq!(outbox.waiting().bytes, expected.len());
            let held: usize = outbox.segments.iter().map(|segment| segment.chunk.capacity()).sum();
            prop_assert_eq!(outbox.held_bytes(), held);
            prop_assert_eq!(drain(&mut outbox, &mut pool, at_a_time), expected);
            prop_assert_eq!(outbox.waiting(), Waiting::default());
            prop_assert_eq!(outbox.held_bytes(), 0);
        }
    }
}
