//! Taking the frames off what one large read brought.

use std::hint::black_box;

use fastway_wire::{ConnId, HEADER_BYTES, data_header, split_frame};

use super::{Bench, FRAME_BYTES};

const READ_BYTES: usize = 64 << 10;
const MAX_PACKET: u32 = 512 << 10;

/// Frames out of a read of 64 KiB.
pub(super) fn measure(bench: &mut impl Bench) {
    let read = one_read();
    bench.case("wire: split 64 KiB into 72-byte frames", count_frames(&read), || {
        black_box(count_frames(black_box(&read)));
    });
}

/// Whole frames and the beginning of another, as a read ends anywhere.
fn one_read() -> Vec<u8> {
    let payload = [7; FRAME_BYTES - HEADER_BYTES];
    let frames = (1u32..).flat_map(|conn| {
        let header = data_header(ConnId::new(conn), 64).unwrap_or_default();
        header.into_iter().chain(payload)
    });
    frames.take(READ_BYTES).collect()
}

fn count_frames(mut read: &[u8]) -> u64 {
    let mut frames = 0;
    while let Ok(Some((frame, rest))) = split_frame(read, MAX_PACKET) {
        black_box(frame.conn());
        frames += 1;
        read = rest;
    }
    frames
}
