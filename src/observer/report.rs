//! How a gateway stands, in numbers.

use std::fmt;

use fastway_service::Share;

use crate::pool::ClassReport;
use crate::worker::{MemoryReport, WorkerReport};

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
    pub pool: Vec<ClassReport>,
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

/// Memory, in lines: links, what waits for them, and the buffer pool.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |part: fn(&WorkerReport) -> u64| self.workers.iter().map(part).sum::<u64>();
        let clients = sum(|worker| worker.stats.sides.client.links());
        let servers = sum(|worker| worker.stats.sides.server.links());
        let conns = self.workers.iter().map(|worker| worker.connections).sum::<usize>();
        let waiting = sum(WorkerReport::waiting_bytes);
        let average = waiting / (clients + servers).max(1);
        writeln!(out, "links clients={clients} servers={servers} virtual_connections={conns}")?;
        writeln!(out, "waiting bytes={waiting} per_link_average_bytes={average}")?;
        for class in &self.pool {
            let ClassReport { chunk_bytes, in_use, free } = class;
            writeln!(out, "pool chunk_bytes={chunk_bytes} in_use={in_use} free={free}")?;
        }
        Ok(())
    }
}
