//! The queue of frames to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;
use fastway_wire::{ConnId, EncodedCommand, PayloadTooLong, data_header};

/// Larger payloads are written from where they are. For smaller ones a copy costs less than a segment of its own.
const COPY_BYTES: usize = 4 << 10;
/// Segments in one vectored write.
pub(super) const MAX_SLICES: usize = 64;
/// Capacity that an idle outbox may keep.
const IDLE_BYTES: usize = 4 << 10;

/// Frames in sending order: small ones in one buffer, large payloads as they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    copied: Vec<u8>,
    /// Bytes at the front of `copied` that have been written.
    written: usize,
    large: VecDeque<Large>,
    waiting_bytes: usize,
}

/// A payload that goes out before byte `at` of the copied ones.
#[derive(Debug)]
struct Large {
    at: usize,
    payload: Bytes,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting_bytes == 0
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(super) fn push_command(&mut self, command: &EncodedCommand) {
        self.copied.extend_from_slice(command);
        self.waiting_bytes += command.len();
    }

    /// Appends a copy of the payload.
    pub(super) fn push_copy(&mut self, conn: ConnId, payload: &[u8]) -> Result<(), PayloadTooLong> {
        self.push_header(conn, payload.len())?;
        self.copied.extend_from_slice(payload);
        Ok(())
    }

    /// Appends the payload, shared if it is large.
    pub(super) fn push(&mut self, conn: ConnId, payload: &Bytes) -> Result<(), PayloadTooLong> {
        if payload.len() <= COPY_BYTES {
            return self.push_copy(conn, payload);
        }
        self.push_header(conn, payload.len())?;
        self.large.push_back(Large { at: self.copied.len(), payload: payload.clone() });
        Ok(())
    }

    fn push_header(&mut self, conn: ConnId, payload_bytes: usize) -> Result<(), PayloadTooLong> {
        let len = u32::try_from(payload_bytes).map_err(|_| PayloadTooLong { payload_bytes })?;
        let header = data_header(conn, len)?;
        self.copied.extend_from_slice(&header);
        self.waiting_bytes += header.len() + payload_bytes;
        Ok(())
    }

    /// Fills `slices` from the front, and returns how many it has filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        let mut parts = self.parts().filter(|part| !part.is_empty());
        let filled = slices.iter_mut().zip(parts.by_ref()).map(|(slice, part)| *slice = IoSlice::new(part));
        filled.count()
    }

    /// The queued bytes in sending order. Some parts may be empty.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(self.written).chain(self.large.iter().map(|large| large.at));
        let ends = self.large.iter().map(|large| large.at).chain(std::iter::once(self.copied.len()));
        let copied = starts.zip(ends).map(|(start, end)| self.copied.get(start..end).unwrap_or_default());
        let large = self.large.iter().map(|large| &*large.payload).chain(std::iter::once(&[][..]));
        copied.zip(large).flat_map(|(copied, large)| [copied, large])
    }

    /// Removes `count` written bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(count);
        if self.waiting_bytes == 0 {
            return self.clear();
        }
        let mut left = count;
        while let Some(large) = self.large.front_mut() {
            let copied = left.min(large.at - self.written);
            self.written += copied;
            left -= copied;
            if self.written < large.at || left < large.payload.len() {
                let _ = large.payload.split_to(left);
                return;
            }
            left -= large.payload.len();
            self.large.pop_front();
        }
        self.written += left;
    }

    fn clear(&mut self) {
        self.copied.clear();
        self.written = 0;
        self.large.clear();
    }

    /// Frees the memory of a burst.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.copied.shrink_to(IDLE_BYTES);
            self.large.shrink_to(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastway_wire::encode_data;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    /// Whatever is pushed comes out as the same bytes, however the socket cuts it.
    #[test]
    fn frames_come_out_in_order_under_any_cut() {
        let random = &mut SmallRng::seed_from_u64(11);
        for _ in 0..200 {
            let (mut outbox, mut expected, mut sent) = (Outbox::default(), Vec::new(), Vec::new());
            for _ in 0..random.random_range(1..60) {
                let size = if random.random_bool(0.3) {
                    random.random_range(COPY_BYTES..20_000)
                } else {
                    random.random_range(0..50)
                };
                let payload: Vec<u8> = (0..size).map(|_| random.random()).collect();
                let conn = ConnId::new(random.random_range(1..5));
                encode_data(conn, &payload, &mut expected).unwrap();
                outbox.push(conn, &payload.into()).unwrap();
                if random.random_bool(0.5) {
                    write_some(&mut outbox, &mut sent, random.random_range(1..30_000));
                }
            }
            while !outbox.is_empty() {
                write_some(&mut outbox, &mut sent, random.random_range(1..30_000));
            }
            assert!(sent == expected);
            assert!(outbox.copied.is_empty() && outbox.large.is_empty());
        }
    }

    fn write_some(outbox: &mut Outbox, sent: &mut Vec<u8>, most: usize) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = outbox.slices(&mut slices);
        let before = sent.len();
        for slice in &slices[..filled] {
            let room = most - (sent.len() - before);
            sent.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let count = sent.len() - before;
        outbox.consume(count);
    }

    #[test]
    fn what_waits_is_counted_in_bytes_of_the_wire() {
        let mut outbox = Outbox::default();
        outbox.push_copy(ConnId::new(1), b"hi").unwrap();
        outbox.push(ConnId::new(1), &vec![0; COPY_BYTES + 1].into()).unwrap();
        assert_eq!(outbox.waiting_bytes(), 10 + 8 + COPY_BYTES + 1);
        outbox.consume(11);
        assert_eq!(outbox.waiting_bytes(), 7 + COPY_BYTES + 1);
    }
}
