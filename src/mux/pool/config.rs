//! What the buffer pool is told at start.

/// Size classes of the buffer pool: `min_chunk`, `min_chunk * factor`, … `max_chunk`, all in bytes.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// How the workers share free chunks.
    pub strategy: PoolStrategy,
    /// Ratio of one size class to the one below, at least 2.
    pub factor: usize,
    /// Smallest chunk in bytes, at least 64.
    pub min_chunk: usize,
    /// Largest pooled chunk in bytes.
    pub max_chunk: usize,
    /// Memory that the pool keeps for each size class, in bytes; what is needed beyond comes from the allocator.
    pub page_bytes: usize,
}

/// How the workers share free chunks (`MemPoolType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolStrategy {
    /// A lock per size class.
    Sync,
    /// A lock-free queue per size class.
    Atom,
    /// A channel per size class.
    Chan,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { strategy: PoolStrategy::Atom, factor: 2, min_chunk: 64, max_chunk: 64 << 10, page_bytes: 1 << 20 }
    }
}
