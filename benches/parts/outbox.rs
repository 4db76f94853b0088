//! Queueing what a destination gets from one read, and dropping it when it is sent.

use std::hint::black_box;
use std::io::IoSlice;

use fastway::config::PoolConfig;
use fastway::parts::{LocalPool, Origin, Outbox, Pool};

use super::{Bench, FRAME_BYTES};

/// Slices of one vectored write.
const SLICES: usize = 64;

/// Frames through an outbox: one at a time, and 64 for each write.
pub(super) fn measure(bench: &mut impl Bench) {
    let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
    let mut outbox = Outbox::default();
    for frames in [1, 64] {
        bench.case(&format!("outbox: append {frames} frames of 72 bytes, send all"), frames, || {
            (0..frames).for_each(|_| append(&mut outbox, &mut pool));
            send_all(&mut outbox, &mut pool);
        });
    }
}

fn append(outbox: &mut Outbox, pool: &mut LocalPool) {
    outbox.append(pool, black_box(&[7; FRAME_BYTES]), 1, Origin::Others);
}

fn send_all(outbox: &mut Outbox, pool: &mut LocalPool) {
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = outbox.gather(&mut slices);
        let sent = black_box(&slices).iter().take(filled).map(|slice| slice.len()).sum();
        outbox.advance(pool, sent);
    }
}
