//! Taking buffers and giving them back: from a worker's own cache, and beyond it under each `MemPoolType`.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use fastway::config::{PoolConfig, PoolStrategy};
use fastway::pool::{Chunk, LocalPool, Pool};

const CHUNK_BYTES: usize = 256;
/// A worker caches a quarter of a page, here 4 chunks: the other half of each burst is the shared pool's.
const PAGE_BYTES: usize = 16 * CHUNK_BYTES;
const BURST: usize = 8;
/// Bursts of both threads are one page, so that the allocator is never asked.
const THREADS: [usize; 2] = [1, 2];

/// Chunks per second, taken and given back.
pub(crate) fn run(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool");
    cached(&mut group);
    for strategy in [PoolStrategy::Sync, PoolStrategy::Atom, PoolStrategy::Chan] {
        for threads in THREADS {
            shared(&mut group, strategy, threads);
        }
    }
    group.finish();
}

fn cached(group: &mut BenchmarkGroup<'_, WallTime>) {
    let mut local = LocalPool::new(pool(PoolStrategy::Atom));
    group.throughput(Throughput::Elements(1));
    group.bench_function("one chunk, in the worker's cache", |bencher| bencher.iter(|| burst(&mut local, 1)));
}

fn shared(group: &mut BenchmarkGroup<'_, WallTime>, strategy: PoolStrategy, threads: usize) {
    let pool = pool(strategy);
    let name = format!("{strategy:?}, bursts of {BURST} that exceed the cache, {threads} threads");
    group.throughput(Throughput::Elements((BURST * threads) as u64));
    group.bench_function(name, |bencher| bencher.iter_custom(|bursts| on_threads(threads, bursts, &pool)));
}

fn pool(strategy: PoolStrategy) -> Arc<Pool> {
    let page = PoolConfig { strategy, page_bytes: PAGE_BYTES, ..PoolConfig::default() };
    Pool::new(&PoolConfig { min_chunk: CHUNK_BYTES, max_chunk: CHUNK_BYTES, ..page })
}

/// How long the slowest of the threads takes when all run as many bursts at the same time.
fn on_threads(threads: usize, bursts: u64, pool: &Arc<Pool>) -> Duration {
    let start = Barrier::new(threads);
    let worker = || {
        let mut local = LocalPool::new(Arc::clone(pool));
        start.wait();
        let begun = Instant::now();
        (0..bursts).for_each(|_| burst(&mut local, BURST));
        begun.elapsed()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}

fn burst(local: &mut LocalPool, chunks: usize) {
    let mut taken: [Option<Chunk>; BURST] = Default::default();
    for place in taken.iter_mut().take(chunks) {
        *place = Some(black_box(local.take(CHUNK_BYTES)));
    }
    taken.into_iter().flatten().for_each(|chunk| local.give(chunk));
}
