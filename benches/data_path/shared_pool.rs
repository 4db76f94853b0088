//! The buffer pool under one thread and under two, with each `MemPoolType`.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use fastway::config::PoolStrategy;
use fastway::parts::{LocalPool, Pool};

use crate::parts::pool::{BURST, burst, config};

/// Chunks per second, taken and given back, in bursts with rests between them.
pub(crate) fn run(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shared pool");
    for strategy in [PoolStrategy::Sync, PoolStrategy::Atom, PoolStrategy::Chan] {
        for threads in [1, 2] {
            let pool = Pool::new(&config(strategy));
            group.throughput(Throughput::Elements((BURST * threads) as u64));
            group.bench_function(format!("{strategy:?}, {threads} threads"), |bencher| {
                bencher.iter_custom(|bursts| on_threads(threads, bursts, &pool));
            });
        }
    }
    group.finish();
}

/// How long the slowest of the threads takes when all run as many bursts at the same time.
fn on_threads(threads: usize, bursts: u64, pool: &Arc<Pool>) -> Duration {
    let start = Barrier::new(threads);
    let worker = || {
        let mut local = LocalPool::new(Arc::clone(pool));
        start.wait();
        let begun = Instant::now();
        (0..bursts).for_each(|_| burst(&mut local));
        begun.elapsed()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}
