//! Queueing what a destination gets from one read, and dropping it when it is sent.

use std::hint::black_box;
use std::io::IoSlice;

use criterion::{Criterion, Throughput};
use fastway::config::PoolConfig;
use fastway::link::Outbox;
use fastway::pool::{LocalPool, Pool};
use fastway::routing::Cause;

use crate::FRAME_BYTES;

/// Slices of one vectored write.
const SLICES: usize = 64;

/// Frames per second through an outbox: one at a time, and 64 for each write.
pub(crate) fn run(criterion: &mut Criterion) {
    let mut pool = LocalPool::new(Pool::new(&PoolConfig::default()));
    let mut outbox = Outbox::default();
    let mut group = criterion.benchmark_group("outbox");
    for frames in [1, 64] {
        group.throughput(Throughput::Elements(frames));
        group.bench_function(format!("append {frames} frames of 72 bytes, send all"), |bencher| {
            bencher.iter(|| {
                (0..frames).for_each(|_| append(&mut outbox, &mut pool));
                send_all(&mut outbox, &mut pool);
            });
        });
    }
    group.finish();
}

fn append(outbox: &mut Outbox, pool: &mut LocalPool) {
    outbox.append(pool, black_box(&[7; FRAME_BYTES]), 1, Cause::Others);
}

fn send_all(outbox: &mut Outbox, pool: &mut LocalPool) {
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = outbox.gather(&mut slices);
        let sent = black_box(&slices).iter().take(filled).map(|slice| slice.len()).sum();
        outbox.advance(pool, sent);
    }
}
