//! Reports: the counts and the state of a gateway.

use std::fmt;
use std::time::{Duration, Instant};

use fastway_service::Share;

use super::counts::{Histogram, NamedCounts};
use super::drain::DrainStatus;
use super::side::Side;
use super::wait::WaitReason;

/// The report of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The load of each worker.
    pub workers: Vec<WorkerLoad>,
    /// What all workers have counted.
    pub total: Totals,
    /// Registered servers.
    pub servers: usize,
    /// Sessions, including waiting ones.
    pub sessions: usize,
    /// Sessions that wait for a transport.
    pub waiting: Share,
    /// Memory held for the links of all clients.
    pub memory: MemoryReport,
    /// The buffer pool, by size class.
    pub pool: Vec<PoolClass>,
    /// How far a drain has come.
    pub drain: DrainStatus,
}

/// The load of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerLoad {
    /// When it published this; `None` before its first report.
    pub published: Option<Instant>,
    /// CPU time that its thread has used.
    pub cpu: Duration,
    /// Share of the time between its last two sweeps in which its thread was on a processor, in thousandths.
    pub busy_permille: u32,
    /// The longest time that it spent at a stretch on other things than frames: settings, sweeps, questions.
    pub longest_upkeep: Duration,
    /// Links on both ports.
    pub links: u64,
    /// Virtual connections of its clients.
    pub connections: usize,
    /// Bytes that wait for peers, and bytes of frames that were received in part.
    pub waiting_bytes: u64,
}

/// What all workers have counted.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// When the last worker published its counts.
    pub published: Option<Instant>,
    /// The busiest worker's share.
    pub busy_permille: u32,
    /// The links of the client port.
    pub client: SideCounts,
    /// The links of the server port.
    pub server: SideCounts,
    /// Open virtual connections.
    pub connections: usize,
    /// Virtual connections opened.
    pub connections_opened: u64,
    /// Runs of data for connections that the sender does not have.
    pub unknown_connection: u64,
    /// Dials refused, by reason: the ID is unknown, the client has too many connections, or dials too often.
    pub dials_refused: NamedCounts,
    /// How often a link was paused because its destination was congested.
    pub sources_paused: u64,
    /// Times that accepting failed.
    pub accept_errors: u64,
    /// Times that accepting paused, since as many were accepted as may be in a second.
    pub accept_pauses: u64,
    /// Streams that did not become a link, by reason, on both ports.
    pub rejections: NamedCounts,
    /// Those that were rejected because of a limit.
    pub links_rejected: NamedCounts,
    /// Those of them that did not get past their PROXY headers.
    pub proxy_headers_rejected: NamedCounts,
    /// Server handshakes in progress, on a port without sessions.
    pub server_handshakes: usize,
    /// Server handshakes that failed on a port without sessions, by reason.
    pub server_handshakes_failed: NamedCounts,
    /// Sessions.
    pub sessions: SessionCounts,
    /// What the workers' threads have ever allocated, in bytes; `None`: nobody counts.
    pub allocated_bytes: Option<u64>,
}

/// Counts of sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionCounts {
    /// Sessions opened, by protocol.
    pub opened: NamedCounts,
    /// How often one lost its transport.
    pub interrupted: u64,
    /// Resumes, by outcome.
    pub resumes: NamedCounts,
    /// Opens and resumes refused, by status.
    pub refused: NamedCounts,
    /// Handshakes that failed on ports with sessions, by reason.
    pub handshakes_failed: NamedCounts,
}

/// Counts and state of the links of one port.
#[derive(Clone, Debug, Default)]
pub struct SideCounts {
    /// Links opened.
    pub opened: u64,
    /// Links closed, by reason.
    pub closed: NamedCounts,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Data frames received and forwarded.
    pub forwarded: u64,
    /// Reads by the frames that they completed, commands among them.
    pub reads: Histogram,
    /// Flushes by the frames that they sent, commands among them.
    pub writes: Histogram,
    /// Round-trip times in microseconds, a few links sampled at each sweep.
    pub round_trips: Histogram,
    /// Links by transport and protocol, including closing ones.
    pub links_by_kind: Vec<LinkCount>,
    /// Packets that wait for peers.
    pub waiting_packets: u64,
    /// Bytes that wait for peers.
    pub waiting_bytes: u64,
    /// Bytes of frames that were received in part.
    pub partial_bytes: u64,
    /// Memory that the links hold, in bytes, but for sessions that wait.
    pub held_bytes: u64,
    /// Links held up, now and so far, by reason.
    pub held_up: Vec<HeldUp>,
    /// Handshakes in progress, on a port with sessions.
    pub session_handshakes: usize,
}

/// The number of links of one transport and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCount {
    /// What carries their bytes.
    pub transport: &'static str,
    /// What these bytes are.
    pub protocol: &'static str,
    /// How many they are.
    pub count: u64,
}

/// How often and for how long links were held up for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldUp {
    /// What holds them up.
    pub reason: WaitReason,
    /// Links that are held up now.
    pub now: u64,
    /// Times that it began.
    pub count: u64,
    /// Time in all.
    pub total: Duration,
}

/// The memory held for the links of all clients, against its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Bytes held, to within 64 KiB for each worker.
    pub held_bytes: usize,
    /// The most that may be; `None`: no limit.
    pub most_bytes: Option<usize>,
    /// Whether it is so much that game servers, and clients that hold much, are not read.
    pub readers_paused: bool,
}

/// Chunks of one size in the buffer pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolClass {
    /// Size of a chunk in bytes.
    pub chunk_bytes: usize,
    /// Chunks that hold waiting data.
    pub in_use: usize,
    /// Chunks ready in the shared pool (those in the workers' caches are not counted).
    pub free: usize,
}

impl Totals {
    /// The links of one port.
    pub fn of(&self, side: Side) -> &SideCounts {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Bytes that wait for peers, and bytes of frames that were received in part.
    pub fn waiting_bytes(&self) -> u64 {
        [&self.client, &self.server].iter().map(|side| side.waiting_bytes + side.partial_bytes).sum()
    }
}

impl SideCounts {
    /// Links that are there now.
    pub fn links(&self) -> u64 {
        self.opened - self.closed.total()
    }
}

/// Memory, in lines: links, what waits for them, and the buffer pool.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { client, server, connections, .. } = &self.total;
        let (clients, servers, waiting) = (client.links(), server.links(), self.total.waiting_bytes());
        let average = waiting / (clients + servers).max(1);
        writeln!(out, "links clients={clients} servers={servers} virtual_connections={connections}")?;
        writeln!(out, "waiting bytes={waiting} per_link_average_bytes={average}")?;
        for PoolClass { chunk_bytes, in_use, free } in &self.pool {
            writeln!(out, "pool chunk_bytes={chunk_bytes} in_use={in_use} free={free}")?;
        }
        Ok(())
    }
}
