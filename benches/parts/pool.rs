//! Taking buffers and giving them back, without another worker in the way.

use std::hint::black_box;

use fastway::config::{PoolConfig, PoolStrategy};
use fastway::pool::{Chunk, LocalPool, Pool};

use super::Bench;

const CHUNK_BYTES: usize = 256;
/// A worker caches a quarter of a page, here 4 chunks: the other half of each burst is the shared pool's.
const PAGE_BYTES: usize = 16 * CHUNK_BYTES;
/// Chunks of a burst.
pub(crate) const BURST: usize = 8;

/// One chunk from the worker's own cache, and bursts beyond it under each `MemPoolType`.
pub(super) fn measure(bench: &mut impl Bench) {
    let mut local = LocalPool::new(Pool::new(&config(PoolStrategy::Atom)));
    bench.case("pool: one chunk, in the worker's cache", 1, || {
        let chunk = local.take(CHUNK_BYTES);
        local.give(black_box(chunk));
    });
    for strategy in [PoolStrategy::Sync, PoolStrategy::Atom, PoolStrategy::Chan] {
        let mut local = LocalPool::new(Pool::new(&config(strategy)));
        let name = format!("pool: {strategy:?}, bursts that exceed the cache");
        bench.case(&name, BURST as u64, || burst(&mut local));
    }
}

/// A class of chunks that bursts of two threads fill, so that the allocator is never asked.
pub(crate) fn config(strategy: PoolStrategy) -> PoolConfig {
    let page = PoolConfig { strategy, page_bytes: PAGE_BYTES, ..PoolConfig::default() };
    PoolConfig { min_chunk: CHUNK_BYTES, max_chunk: CHUNK_BYTES, ..page }
}

/// Takes eight chunks and gives them back.
pub(crate) fn burst(local: &mut LocalPool) {
    let taken: [Chunk; BURST] = std::array::from_fn(|_| black_box(local.take(CHUNK_BYTES)));
    taken.into_iter().for_each(|chunk| local.give(chunk));
}
