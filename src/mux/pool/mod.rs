//! The slab-style buffer pool: size classes carved out of pages, shared by the workers.
//!
//! A worker takes chunks from its own [`LocalPool`], which falls back to the shared [`Pool`], which falls back to
//! the allocator. The worker keeps what it needs again and again. What it did not need for a while leaves it: a chunk
//! carved from a page for the pool, one from the allocator for the allocator. So a steady load allocates nothing, and a
//! burst leaves no more behind than a page per class and a share of one in each worker.

mod config;
mod store;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::BytesMut;
use fastway_admin::observe::PoolClass;

pub use config::{PoolConfig, PoolStrategy};
use store::Store;

/// The largest chunk holds at least this many bytes, whatever the configuration says: a whole command fits.
const SMALLEST_MAX_CHUNK: usize = 64;

/// A buffer of a fixed capacity. It grows by [`Chunk::fill`] and never reallocates.
#[derive(Debug)]
pub struct Chunk {
    bytes: BytesMut,
    class: usize,
    carved: bool,
}

impl Chunk {
    /// Copies as much of `input` as fits and returns the number of bytes taken.
    #[inline]
    pub fn fill(&mut self, input: &[u8]) -> usize {
        let taken = input.get(..self.spare()).unwrap_or(input);
        self.bytes.extend_from_slice(taken);
        taken.len()
    }

    /// Bytes that still fit.
    #[inline]
    pub fn spare(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// What was filled in so far.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        &self.bytes
    }

    /// Size of the chunk in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The part of the pool that all workers share.
#[derive(Debug)]
pub struct Pool {
    classes: Box<[Class]>,
    page_bytes: usize,
}

#[derive(Debug)]
struct Class {
    chunk_bytes: usize,
    /// What is left of the class's page. It costs address space until it is carved.
    page: Mutex<BytesMut>,
    free: Store,
    /// Chunks that workers hold in outboxes and inboxes.
    in_use: AtomicUsize,
}

impl Pool {
    /// Makes a pool with a page for each class.
    pub fn new(config: &PoolConfig) -> Arc<Self> {
        let classes = class_sizes(config).map(|chunk_bytes| Class {
            chunk_bytes,
            page: Mutex::new(BytesMut::with_capacity(config.page_bytes)),
            free: Store::new(config.strategy),
            in_use: AtomicUsize::new(0),
        });
        Arc::new(Self { classes: classes.collect(), page_bytes: config.page_bytes })
    }

    /// One line per size class, smallest first.
    pub fn report(&self) -> Vec<PoolClass> {
        let report = |class: &Class| PoolClass {
            chunk_bytes: class.chunk_bytes,
            in_use: class.in_use.load(Relaxed),
            free: class.free.len(),
        };
        self.classes.iter().map(report).collect()
    }

    /// The smallest class whose chunks hold `bytes`, or the largest class.
    fn class_for(&self, bytes: usize) -> usize {
        let fits = self.classes.iter().position(|class| class.chunk_bytes >= bytes);
        fits.unwrap_or(self.classes.len().saturating_sub(1))
    }

    fn take(&self, class_index: usize) -> Chunk {
        let Some(class) = self.classes.get(class_index) else {
            return Chunk { bytes: BytesMut::new(), class: class_index, carved: false };
        };
        let pooled = class.free.pop().or_else(|| class.carve());
        let carved = pooled.is_some();
        let bytes = pooled.unwrap_or_else(|| BytesMut::with_capacity(class.chunk_bytes));
        Chunk { bytes, class: class_index, carved }
    }

    /// Takes a cleared chunk back; one that was not carved from a page goes back to the allocator.
    fn give(&self, chunk: Chunk) {
        if let (true, Some(class)) = (chunk.carved, self.classes.get(chunk.class)) {
            class.free.push(chunk.bytes);
        }
    }
}

impl Class {
    fn carve(&self) -> Option<BytesMut> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = page.capacity().checked_sub(self.chunk_bytes)?;
        Some(page.split_off(rest))
    }
}

fn class_sizes(config: &PoolConfig) -> impl Iterator<Item = usize> {
    let (factor, max_chunk) = (config.factor.max(2), config.max_chunk.max(SMALLEST_MAX_CHUNK));
    let smaller = std::iter::successors(Some(config.min_chunk.max(1)), move |size| size.checked_mul(factor));
    smaller.take_while(move |size| *size < max_chunk).chain([max_chunk])
}

/// One worker's way into the pool: a cache of free chunks for each class in front of the shared [`Pool`].
#[derive(Debug)]
pub struct LocalPool {
    shared: Arc<Pool>,
    caches: Box<[Cache]>,
}

/// A worker's free chunks of one class.
#[derive(Debug, Default)]
struct Cache {
    free: Vec<Chunk>,
    /// The fewest that there were since the last [`LocalPool::trim`].
    fewest: usize,
}

/// Share of a page that one worker may keep cached per class though it does not need it.
const CACHED_SHARE: usize = 4;

impl LocalPool {
    /// An empty cache in front of `shared`.
    pub fn new(shared: Arc<Pool>) -> Self {
        let caches = shared.classes.iter().map(|_| Cache::default()).collect();
        Self { shared, caches }
    }

    /// An empty chunk that holds `bytes`, or as many as the largest class does.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Chunk {
        let class = self.shared.class_for(bytes);
        self.count(class, 1);
        let cached = self.caches.get_mut(class).and_then(Cache::pop);
        cached.unwrap_or_else(|| self.shared.take(class))
    }

    /// Gives a chunk back; what it held is gone.
    #[inline]
    pub fn give(&mut self, mut chunk: Chunk) {
        self.count(chunk.class, usize::MAX);
        chunk.bytes.clear();
        match self.caches.get_mut(chunk.class) {
            Some(cache) => cache.free.push(chunk),
            None => self.shared.give(chunk),
        }
    }

    /// Gives up the chunks that were not needed since the last call.
    pub fn trim(&mut self) {
        for (cache, class) in self.caches.iter_mut().zip(&self.shared.classes) {
            let kept = (self.shared.page_bytes / CACHED_SHARE / class.chunk_bytes).max(1);
            cache.trim(kept, &self.shared);
        }
    }

    /// Gives up all chunks beyond the few that are kept in any case: memory is short.
    pub fn shrink(&mut self) {
        self.caches.iter_mut().for_each(Cache::forget_need);
        self.trim();
    }

    /// Largest chunk that [`take`](Self::take) gives, in bytes.
    pub fn max_chunk_bytes(&self) -> usize {
        self.shared.classes.last().map_or(0, |class| class.chunk_bytes)
    }

    #[inline]
    fn count(&self, class: usize, change: usize) {
        if let Some(class) = self.shared.classes.get(class) {
            class.in_use.fetch_add(change, Relaxed);
        }
    }
}

impl Cache {
    #[inline]
    fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.free.pop()?;
        self.fewest = self.fewest.min(self.free.len());
        Some(chunk)
    }

    /// Whatever is free now counts as not needed.
    const fn forget_need(&mut self) {
        self.fewest = self.free.len();
    }

    /// Gives up what was not needed beyond `kept` chunks.
    fn trim(&mut self, kept: usize, shared: &Pool) {
        let unneeded = self.fewest.saturating_sub(kept);
        if unneeded > 0 {
            self.free.drain(..unneeded).for_each(|chunk| shared.give(chunk));
            self.free.shrink_to(4 * kept.max(self.free.len()));
        }
        self.forget_need();
    }
}

impl Drop for LocalPool {
    fn drop(&mut self) {
        for chunk in self.caches.iter_mut().flat_map(|cache| std::mem::take(&mut cache.free)) {
            self.shared.give(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRATEGIES: [PoolStrategy; 3] = [PoolStrategy::Sync, PoolStrategy::Atom, PoolStrategy::Chan];

    fn pool(strategy: PoolStrategy) -> Arc<Pool> {
        Pool::new(&PoolConfig { strategy, factor: 2, min_chunk: 64, max_chunk: 256, page_bytes: 512 })
    }

    #[test]
    fn classes_grow_by_the_factor_and_end_at_the_maximum() {
        let config = PoolConfig { factor: 3, min_chunk: 64, max_chunk: 1000, ..PoolConfig::default() };
        assert_eq!(class_sizes(&config).collect::<Vec<_>>(), [64, 192, 576, 1000]);
    }

    #[test]
    fn a_chunk_fits_what_was_asked_for_up_to_the_maximum() {
        let mut local = LocalPool::new(pool(PoolStrategy::Atom));
        for (asked, given) in [(0, 64), (64, 64), (65, 128), (256, 256), (10_000, 256)] {
            assert_eq!(local.take(asked).capacity(), given);
        }
    }

    #[test]
    fn a_chunk_takes_no_more_than_it_holds() {
        let mut chunk = LocalPool::new(pool(PoolStrategy::Atom)).take(64);
        assert_eq!(chunk.fill(&[7; 60]), 60);
        assert_eq!(chunk.fill(&[8; 60]), 4);
        assert_eq!(chunk.spare(), 0);
        assert_eq!(chunk.filled().len(), 64);
    }

    #[test]
    fn every_strategy_hands_a_returned_chunk_out_again_to_another_worker() {
        for strategy in STRATEGIES {
            let shared = pool(strategy);
            let mut first = LocalPool::new(Arc::clone(&shared));
            let chunks: Vec<Chunk> = (0..2).map(|_| first.take(256)).collect();
            let addresses: Vec<*const u8> = chunks.iter().map(|chunk| chunk.bytes.as_ptr()).collect();
            chunks.into_iter().for_each(|chunk| first.give(chunk));
            drop(first);
            assert_eq!(shared.report()[2].free, 2, "{strategy:?}");
            let again = LocalPool::new(shared).take(256);
            assert!(addresses.contains(&again.bytes.as_ptr()), "{strategy:?}");
            assert!(again.filled().is_empty());
        }
    }

    #[test]
    fn beyond_a_page_chunks_come_from_the_allocator_and_go_back_to_it() {
        for strategy in STRATEGIES {
            let shared = pool(strategy);
            let mut local = LocalPool::new(Arc::clone(&shared));
            let chunks: Vec<Chunk> = (0..50).map(|_| local.take(128)).collect();
            assert_eq!(shared.report()[1].in_use, 50);
            chunks.into_iter().for_each(|chunk| local.give(chunk));
            drop(local);
            assert_eq!(shared.report()[1], PoolClass { chunk_bytes: 128, in_use: 0, free: 4 }, "{strategy:?}");
        }
    }

    #[test]
    fn a_worker_keeps_what_it_needs_again_and_gives_up_what_it_does_not() {
        let shared = pool(STRATEGIES[0]);
        let mut local = LocalPool::new(Arc::clone(&shared));
        let burst = |local: &mut LocalPool, chunks: usize| {
            let taken: Vec<Chunk> = (0..chunks).map(|_| local.take(64)).collect();
            taken.into_iter().for_each(|chunk| local.give(chunk));
        };
        let cached = |local: &LocalPool| local.caches[0].free.len();
        for _ in 0..3 {
            burst(&mut local, 50);
            local.trim();
            assert_eq!(cached(&local), 50);
        }
        burst(&mut local, 10);
        local.trim();
        assert_eq!(cached(&local), 12, "the ten, and two for a quarter of a page");
        local.trim();
        assert_eq!(cached(&local), 2);
        burst(&mut local, 50);
        local.shrink();
        assert_eq!(cached(&local), 2, "memory is short");
        drop(local);
        assert_eq!(shared.report()[0].free, 8, "what was carved from the page");
    }

    #[test]
    fn chunks_of_one_page_do_not_overlap() {
        let mut local = LocalPool::new(pool(PoolStrategy::Sync));
        let mut chunks: Vec<Chunk> = (0..8).map(|_| local.take(64)).collect();
        for (mark, chunk) in (0u8..).zip(&mut chunks) {
            chunk.fill(&[mark; 64]);
        }
        for (mark, chunk) in (0u8..).zip(&chunks) {
            assert!(chunk.filled().iter().all(|byte| *byte == mark));
        }
    }
}
