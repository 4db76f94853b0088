//! Taking buffers and giving them back, without another worker in the way.

use std::hint::black_box;

use fastway::config::{PoolConfig, PoolStrategy};
use fastway::parts::{Chunk, LocalPool, Pool};

use super::Bench;

const CHUNK_BYTES: usize = 256;
/// A worker that needs no chunks keeps a quarter of a page, here 4: the other half of each burst is the shared pool's.
const PAGE_BYTES: usize = 16 * CHUNK_BYTES;
/// Chunks of a burst.
pub(crate) const BURST: usize = 8;

/// One chunk from the worker's own cache, and bursts with rests between them under each `MemPoolType`.
pub(super) fn measure(bench: &mut impl Bench) {
    let mut local = LocalPool::new(Pool::new(&config(PoolStrategy::Atom)));
    bench.case("pool: one chunk, in the worker's cache", 1, || {
        let chunk = local.take(CHUNK_BYTES);
        local.give(black_box(chunk));
    });
    for strategy in [PoolStrategy::Sync, PoolStrategy::Atom, PoolStrategy::Chan] {
        let mut local = LocalPool::new(Pool::new(&config(strategy)));
        let name = format!("pool: {strategy:?}, bursts with rests between them");
        bench.case(&name, BURST as u64, || burst(&mut local));
    }
}

/// A class of chunks that bursts of two threads fill, so that the allocator is never asked.
pub(crate) fn config(strategy: PoolStrategy) -> PoolConfig {
    let page = PoolConfig { strategy, page_bytes: PAGE_BYTES, ..PoolConfig::default() };
    PoolConfig { min_chunk: CHUNK_BYTES, max_chunk: CHUNK_BYTES, ..page }
}

/// Takes eight chunks, gives them back, and rests until the worker has given half of them up.
pub(crate) fn burst(local: &mut LocalPool) {
    let taken: [Chunk; BURST] = std::array::from_fn(|_| black_box(local.take(CHUNK_BYTES)));
    taken.into_iter().for_each(|chunk| local.give(chunk));
    // The first sweep finds that they were needed, the second that they were not.
    (0..2).for_each(|_| local.trim());
}
