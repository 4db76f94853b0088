//! How a gateway stands, in numbers.

use fastway_admin::observe::{MemoryReport, PoolClass};
use fastway_service::Share;

use crate::mux::worker::WorkerReport;

/// How a gateway stands.
#[derive(Debug)]
pub struct Report {
    /// Each worker, at its last sweep.
    pub workers: Vec<WorkerReport>,
    /// Registered servers.
    pub servers: usize,
    /// Sessions, those that wait among them.
    pub sessions: usize,
    /// Sessions that wait for a transport.
    pub waiting: Share,
    /// Memory that is held for all clients' links.
    pub memory: MemoryReport,
    /// The buffer pool, by size class.
    pub pool: Vec<PoolClass>,
}

impl Report {
    /// All workers together.
    pub fn total(&self) -> WorkerReport {
        self.workers.iter().fold(WorkerReport::default(), |mut total, worker| {
            total.add(worker);
            total
        })
    }
}
