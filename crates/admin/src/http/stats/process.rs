//! Memory and the process in `/api/stats`.

use serde::Serialize;

use crate::http::sample::Sample;
use crate::http::units::millis;
use crate::observe::MemoryReport;

/// The memory held for the links of clients.
#[derive(Debug, Serialize)]
pub(super) struct MemoryView {
    held_bytes: usize,
    most_bytes: Option<usize>,
    readers_paused: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct PoolView {
    chunk_bytes: usize,
    in_use: usize,
    free: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct ProcessView {
    user_cpu_ms: u64,
    system_cpu_ms: u64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    open_files: Option<u64>,
    max_files: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct AllocatorView {
    allocated_bytes: usize,
    active_bytes: usize,
    resident_bytes: usize,
    mapped_bytes: usize,
    retained_bytes: usize,
}

impl Sample {
    pub(super) fn pool(&self) -> Vec<PoolView> {
        let classes = self.report.pool.iter();
        let view =
            classes.map(|class| PoolView { chunk_bytes: class.chunk_bytes, in_use: class.in_use, free: class.free });
        view.collect()
    }

    pub(super) fn process(&self) -> ProcessView {
        ProcessView {
            user_cpu_ms: millis(self.usage.user),
            system_cpu_ms: millis(self.usage.system),
            resident_bytes: self.usage.resident_bytes,
            virtual_bytes: self.usage.virtual_bytes,
            threads: self.usage.threads,
            open_files: self.usage.open_files,
            max_files: self.usage.max_files,
        }
    }

    pub(super) fn allocator(&self) -> Option<AllocatorView> {
        self.allocator.map(|allocator| AllocatorView {
            allocated_bytes: allocator.allocated,
            active_bytes: allocator.active,
            resident_bytes: allocator.resident,
            mapped_bytes: allocator.mapped,
            retained_bytes: allocator.retained,
        })
    }
}

impl From<MemoryReport> for MemoryView {
    fn from(MemoryReport { held_bytes, most_bytes, readers_paused }: MemoryReport) -> Self {
        Self { held_bytes, most_bytes, readers_paused }
    }
}
