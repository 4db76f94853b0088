//! `/api/stats`: what was counted since the start and how the gateway stands, in one object. Rates follow from two of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

use super::app::{App, Identity, Phase};
use super::query::Query;
use super::reply::{Failure, Reply, json};
use super::sample::Sample;
use super::units::{millis, unix_millis};
use crate::observe::{HeldUp, Histogram, MemoryReport, NamedCounts, SessionCounts, Side};

impl App {
    /// What was counted, and how the gateway stands.
    pub(super) async fn stats(&self, head: &Parts) -> Result<Reply, Failure> {
        Query::read(head, &[])?;
        let sample = self.sample().await?;
        Ok(json(StatusCode::OK, &StatsView::new(&sample, &self.identity)))
    }

    /// One look at the whole gateway, shared with others who ask.
    pub(super) async fn sample(&self) -> Result<Arc<Sample>, Failure> {
        let turn = match self.samples.next().await {
            Ok(sample) => return Ok(sample),
            Err(turn) => turn,
        };
        let (observer, started) = (Arc::clone(&self.observer), self.started);
        let stopping = self.phase() != Phase::Serving;
        self.questions.run(move || turn.take(|| Sample::take(&*observer, started, stopping))).await
    }
}

/// NamedCounts or gauges by the name of what they count.
type ByName<T> = BTreeMap<&'static str, T>;

/// The object of `/api/stats` (`docs/operations.md`).
#[derive(Debug, Serialize)]
pub(super) struct StatsView {
    time_ms: u64,
    started_ms: u64,
    uptime_ms: u64,
    version: &'static str,
    name: String,
    host: String,
    pid: u32,
    state: &'static str,
    fresh: bool,
    workers: usize,
    load: Vec<WorkerView>,
    busiest_worker_permille: u32,
    servers: usize,
    client: SideView,
    server: SideView,
    connections: ConnectionsView,
    handshakes: HandshakesView,
    refused: RefusedView,
    sessions: SessionsView,
    unknown_connection_runs: u64,
    accept_errors: u64,
    accept_pauses: u64,
    log: LogView,
    memory: MemoryView,
    pool: Vec<PoolView>,
    process: ProcessView,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocator: Option<AllocatorView>,
}

/// The memory that is held for clients' links.
#[derive(Debug, Serialize)]
struct MemoryView {
    held_bytes: usize,
    most_bytes: Option<usize>,
    readers_paused: bool,
}

/// A worker.
#[derive(Debug, Serialize)]
struct WorkerView {
    worker: usize,
    /// Share of the time between its last two sweeps in which its thread was on a processor.
    busy_permille: u32,
    cpu_ms: u64,
    links: u64,
    connections: usize,
    waiting_bytes: u64,
    silent_ms: u64,
}

/// The links of one port.
#[derive(Debug, Serialize)]
struct SideView {
    links: u64,
    links_by_transport: ByName<u64>,
    links_by_protocol: ByName<u64>,
    opened: u64,
    closed: ByName<u64>,
    received_bytes: u64,
    sent_bytes: u64,
    received_frames: u64,
    sent_frames: u64,
    forwarded_frames: u64,
    reads: u64,
    writes: u64,
    waiting_packets: u64,
    waiting_bytes: u64,
    partial_bytes: u64,
    held_bytes: u64,
    held_up: ByName<HeldUpView>,
    round_trips: RoundTripsView,
}

#[derive(Debug, Serialize)]
struct HeldUpView {
    now: u64,
    count: u64,
    total_ms: u64,
}

#[derive(Debug, Serialize)]
struct RoundTripsView {
    count: u64,
    total_us: u64,
}

#[derive(Debug, Serialize)]
struct ConnectionsView {
    open: usize,
    opened: u64,
}

#[derive(Debug, Serialize)]
struct HandshakesView {
    in_progress: usize,
    failed: ByName<u64>,
}

#[derive(Debug, Serialize)]
struct RefusedView {
    dials: ByName<u64>,
    links: ByName<u64>,
    proxy: ByName<u64>,
}

/// Sessions, on both ports.
#[derive(Debug, Serialize)]
struct SessionsView {
    open: usize,
    waiting: usize,
    waiting_bytes: usize,
    opened: ByName<u64>,
    interrupted: u64,
    resumes: ByName<u64>,
    refused: ByName<u64>,
    handshakes: HandshakesView,
}

#[derive(Debug, Serialize)]
struct LogView {
    dropped_lines: u64,
}

#[derive(Debug, Serialize)]
struct PoolView {
    chunk_bytes: usize,
    in_use: usize,
    free: usize,
}

#[derive(Debug, Serialize)]
struct ProcessView {
    user_cpu_ms: u64,
    system_cpu_ms: u64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    open_files: Option<u64>,
    max_files: Option<u64>,
}

#[derive(Debug, Serialize)]
struct AllocatorView {
    allocated_bytes: usize,
    active_bytes: usize,
    resident_bytes: usize,
    mapped_bytes: usize,
    retained_bytes: usize,
}

impl StatsView {
    pub(super) fn new(sample: &Sample, identity: &Identity) -> Self {
        let total = &sample.report.total;
        Self {
            time_ms: unix_millis(sample.time),
            started_ms: unix_millis(sample.started),
            uptime_ms: millis(sample.uptime),
            version: env!("CARGO_PKG_VERSION"),
            name: identity.name.clone(),
            host: identity.host.clone(),
            pid: std::process::id(),
            state: if sample.stopping { "stopping" } else { "running" },
            fresh: sample.fresh,
            workers: sample.report.workers.len(),
            load: sample.load(),
            busiest_worker_permille: total.busy_permille,
            servers: sample.report.servers,
            client: SideView::new(sample, Side::Client),
            server: SideView::new(sample, Side::Server),
            connections: ConnectionsView { open: total.connections, opened: total.connections_opened },
            handshakes: HandshakesView {
                in_progress: total.server_handshakes,
                failed: by_name(&total.server_handshakes_failed),
            },
            refused: RefusedView {
                dials: by_name(&total.dials_refused),
                links: by_name(&total.links_rejected),
                proxy: by_name(&total.proxy_headers_rejected),
            },
            sessions: SessionsView::new(sample),
            unknown_connection_runs: total.unknown_connection,
            accept_errors: total.accept_errors,
            accept_pauses: total.accept_pauses,
            log: LogView { dropped_lines: sample.dropped_lines },
            memory: sample.report.memory.into(),
            pool: sample.pool(),
            process: sample.process(),
            allocator: sample.allocator(),
        }
    }
}

impl SessionsView {
    fn new(sample: &Sample) -> Self {
        let total = &sample.report.total;
        let SessionCounts { opened, interrupted, resumes, refused, handshakes_failed } = &total.sessions;
        Self {
            open: sample.report.sessions,
            waiting: sample.report.waiting.holders,
            waiting_bytes: sample.report.waiting.bytes,
            opened: by_name(opened),
            interrupted: *interrupted,
            resumes: by_name(resumes),
            refused: by_name(refused),
            handshakes: HandshakesView {
                in_progress: total.client.session_handshakes + total.server.session_handshakes,
                failed: by_name(handshakes_failed),
            },
        }
    }
}

impl SideView {
    fn new(sample: &Sample, side: Side) -> Self {
        let counts = sample.report.total.of(side);
        Self {
            links: counts.links(),
            links_by_transport: sums(counts.links_by_kind.iter().map(|links| (links.transport, links.count))),
            links_by_protocol: sums(counts.links_by_kind.iter().map(|links| (links.protocol, links.count))),
            opened: counts.opened,
            closed: by_name(&counts.closed),
            received_bytes: counts.received_bytes,
            sent_bytes: counts.sent_bytes,
            received_frames: counts.reads.sum,
            sent_frames: counts.writes.sum,
            forwarded_frames: counts.forwarded,
            reads: counts.reads.count,
            writes: counts.writes.count,
            waiting_packets: counts.waiting_packets,
            waiting_bytes: counts.waiting_bytes,
            partial_bytes: counts.partial_bytes,
            held_bytes: counts.held_bytes,
            held_up: counts.held_up.iter().map(|held_up| (held_up.reason.name(), held_up.into())).collect(),
            round_trips: RoundTripsView::from(&counts.round_trips),
        }
    }
}

impl Sample {
    fn load(&self) -> Vec<WorkerView> {
        let workers = self.report.workers.iter().zip(&self.silent).enumerate();
        let view = workers.map(|(index, (worker, silent))| WorkerView {
            worker: index,
            busy_permille: worker.busy_permille,
            cpu_ms: millis(worker.cpu),
            links: worker.links,
            connections: worker.connections,
            waiting_bytes: worker.waiting_bytes,
            silent_ms: millis(*silent),
        });
        view.collect()
    }

    fn pool(&self) -> Vec<PoolView> {
        let classes = self.report.pool.iter();
        let view =
            classes.map(|class| PoolView { chunk_bytes: class.chunk_bytes, in_use: class.in_use, free: class.free });
        view.collect()
    }

    fn process(&self) -> ProcessView {
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

    fn allocator(&self) -> Option<AllocatorView> {
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

impl From<&HeldUp> for HeldUpView {
    fn from(HeldUp { reason: _, now, count, total }: &HeldUp) -> Self {
        Self { now: *now, count: *count, total_ms: millis(*total) }
    }
}

impl From<&Histogram> for RoundTripsView {
    fn from(times: &Histogram) -> Self {
        Self { count: times.count, total_us: times.sum }
    }
}

/// NamedCounts of which several have the same name.
fn sums(counts: impl Iterator<Item = (&'static str, u64)>) -> ByName<u64> {
    let mut sums = ByName::new();
    counts.for_each(|(name, count)| *sums.entry(name).or_default() += count);
    sums
}

fn by_name(counts: &NamedCounts) -> ByName<u64> {
    counts.iter().collect()
}
