//! `/api/stats`: the counts since the start and the current state, in one object. Two of them give rates.

mod process;
mod side;

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

use self::process::{AllocatorView, MemoryView, PoolView, ProcessView};
use self::side::{ByName, SideView, by_name};
use super::app::{App, Identity, Phase};
use super::query::Query;
use super::reply::{Failure, Reply, json};
use super::sample::Sample;
use super::units::{micros, millis, unix_millis};
use crate::observe::{DrainPhase, DrainStatus, SessionCounts, Side};

impl App {
    /// Counts and current state.
    pub(super) async fn stats(&self, head: &Parts) -> Result<Reply, Failure> {
        Query::read(head, &[])?;
        let sample = self.sample().await?;
        Ok(json(StatusCode::OK, &StatsView::new(&sample, &self.identity)))
    }

    /// A sample of the whole gateway, shared with other requests.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    drain: Option<DrainView>,
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

/// How far a drain has come, while there is one.
#[derive(Debug, Serialize)]
struct DrainView {
    phase: &'static str,
    clients: usize,
    remaining_ms: Option<u64>,
}

/// A worker.
#[derive(Debug, Serialize)]
struct WorkerView {
    worker: usize,
    /// Share of the time between its last two sweeps in which its thread was on a processor.
    busy_permille: u32,
    cpu_ms: u64,
    longest_upkeep_us: u64,
    links: u64,
    connections: usize,
    waiting_bytes: u64,
    silent_ms: u64,
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
            state: sample.state(),
            drain: sample.drain(),
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

impl Sample {
    fn state(&self) -> &'static str {
        match self.report.drain.phase {
            _ if self.stopping => "stopping",
            DrainPhase::Serving => "running",
            _ => "draining",
        }
    }

    fn drain(&self) -> Option<DrainView> {
        let DrainStatus { phase, clients, remaining } = self.report.drain;
        let view = DrainView { phase: phase.name(), clients, remaining_ms: remaining.map(millis) };
        (phase != DrainPhase::Serving).then_some(view)
    }

    fn load(&self) -> Vec<WorkerView> {
        let workers = self.report.workers.iter().zip(&self.silent).enumerate();
        let view = workers.map(|(index, (worker, silent))| WorkerView {
            worker: index,
            busy_permille: worker.busy_permille,
            cpu_ms: millis(worker.cpu),
            longest_upkeep_us: micros(worker.longest_upkeep),
            links: worker.links,
            connections: worker.connections,
            waiting_bytes: worker.waiting_bytes,
            silent_ms: millis(*silent),
        });
        view.collect()
    }
}
