//! Putting a frame together that a read cut in two.

use std::hint::black_box;

use fastway::config::PoolConfig;
use fastway::parts::{Inbox, LocalPool, Pool, Progress, Sizes};
use fastway_wire::{ConnId, HEADER_BYTES, encode_data};

use super::{Bench, FRAME_BYTES};

const SIZES: Sizes = Sizes { max_packet: 512 << 10, first_bytes: 1 << 10 };

/// A frame whose first half came with one read and its second half with the next.
pub(super) fn measure(bench: &mut impl Bench) {
    let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
    let mut inbox = Inbox::default();
    let mut frame = Vec::new();
    let encoded = encode_data(ConnId::new(1), &[7; FRAME_BYTES - HEADER_BYTES], &mut frame);
    assert_eq!(encoded, Ok(()));
    let (first, second) = frame.split_at(FRAME_BYTES / 2);
    bench.case("inbox: a frame of 72 bytes in two parts", 1, || {
        let began = inbox.fill(&mut pool, SIZES, black_box(first));
        let ended = inbox.fill(&mut pool, SIZES, black_box(second));
        assert_eq!((began, ended), (Ok(Progress::Partial), Ok(Progress::Complete(second.len()))));
        inbox.clear(&mut pool);
    });
}
