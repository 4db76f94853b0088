//! `/metrics`: all metrics in the text format of Prometheus (`docs/operations.md` explains each).
//!
//! Labels are sides, reasons, transports, protocols and sizes of chunks: the number of series does not grow with links
//! or servers.

mod families;

use std::time::{Duration, UNIX_EPOCH};

use hyper::StatusCode;
use hyper::http::request::Parts;
use prometheus::proto::{Bucket, Histogram, LabelPair};

use self::families::{Families, Series, labels};
use super::app::App;
use super::query::Query;
use super::reply::{Failure, Reply, content};
use super::sample::Sample;
use crate::observe::{self, DrainPhase, HeldUp, LinkCount, MemoryReport, NamedCounts, PoolClass, Side, SideCounts};

const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl App {
    /// The numbers for Prometheus.
    pub(super) async fn metrics(&self, head: &Parts) -> Result<Reply, Failure> {
        Query::read(head, &[])?;
        let sample = self.sample().await?;
        let text = Metrics::new(&sample).0.encode();
        let failed = |error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}"));
        Ok(content(FORMAT, text.map_err(failed)?))
    }
}

/// A number that the links of one side have.
type OfSide = fn(&SideCounts) -> u64;

/// All metrics.
#[derive(Default)]
struct Metrics(Families);

impl Metrics {
    fn new(sample: &Sample) -> Self {
        let mut metrics = Self::default();
        metrics.gateway(sample);
        metrics.links(sample);
        metrics.traffic(sample);
        metrics.queues(sample);
        metrics.refusals(sample);
        metrics.sessions(sample);
        metrics.pool(&sample.report.pool);
        metrics.process(sample);
        metrics
    }

    fn gateway(&mut self, sample: &Sample) {
        let total = &sample.report.total;
        let version = labels(&[("version", env!("CARGO_PKG_VERSION"))]);
        self.0.gauge("fastway_build_info", "1, with the version of the gateway", [(version, 1.0)]);
        self.0.gauge("fastway_workers", "threads that carry links", [plain(sample.report.workers.len() as u64)]);

        let workers = sample.report.workers.iter().enumerate();
        let cpu = workers.map(|(index, worker)| (labels(&[("worker", &index.to_string())]), worker.cpu.as_secs_f64()));
        self.0.counter("fastway_worker_cpu_seconds_total", "CPU time of each worker's thread", cpu);

        let workers = sample.report.workers.iter().enumerate();
        let upkeep = workers
            .map(|(index, worker)| (labels(&[("worker", &index.to_string())]), worker.longest_upkeep.as_secs_f64()));
        let about = "longest time that each worker spent at a stretch on other things than frames, since the start";
        self.0.gauge("fastway_worker_longest_upkeep_seconds", about, upkeep);

        let fresh = "1 if all workers answered this scrape; otherwise numbers are as of their last answers or sweeps";
        self.0.gauge("fastway_workers_answered", fresh, [plain(u64::from(sample.fresh))]);
        self.0.gauge("fastway_stopping", "1 while the gateway stops", [plain(u64::from(sample.stopping))]);
        let is_draining = sample.report.drain.phase != DrainPhase::Serving;
        self.0.gauge("fastway_draining", "1 while the gateway drains", [plain(u64::from(is_draining))]);

        self.0.gauge("fastway_servers", "registered game servers", [plain(sample.report.servers as u64)]);
        self.0.gauge("fastway_connections", "open virtual connections", [plain(total.connections as u64)]);
        self.0.counter(
            "fastway_connections_opened_total",
            "virtual connections opened",
            [plain(total.connections_opened)],
        );
        self.0.counter(
            "fastway_unknown_connection_runs_total",
            "runs of data for connections that the sender is no end of",
            [plain(total.unknown_connection)],
        );
    }

    fn links(&mut self, sample: &Sample) {
        let links = SIDES.into_iter().flat_map(|side| {
            let series = move |links: &LinkCount| {
                let LinkCount { transport, protocol, count } = *links;
                (labels(&[("side", side.name()), ("transport", transport), ("protocol", protocol)]), count as f64)
            };
            sample.report.total.of(side).links_by_kind.iter().map(series)
        });
        self.0.gauge("fastway_links", "links that are there, closing ones among them", links);

        let opened = by_side(sample, |counts| counts.opened);
        self.0.counter("fastway_links_opened_total", "links opened", opened);

        let closed = SIDES.into_iter().flat_map(|side| {
            let counts = sample.report.total.of(side).closed.iter();
            counts.map(move |(reason, count)| (labels(&[("side", side.name()), ("reason", reason)]), count as f64))
        });
        self.0.counter("fastway_links_closed_total", "links closed, by reason", closed);

        let round_trips = |counts: &SideCounts| histogram(&counts.round_trips, |micros| micros as f64 / 1e6);
        let help = "round-trip times of links as the kernel smooths them, a few links sampled at each sweep";
        self.0.histogram("fastway_round_trip_seconds", help, distributions(sample, round_trips));
    }

    fn traffic(&mut self, sample: &Sample) {
        let counts: [(&str, &str, OfSide); 5] = [
            ("fastway_received_bytes_total", "bytes received from peers", |counts| counts.received_bytes),
            ("fastway_sent_bytes_total", "bytes sent to peers", |counts| counts.sent_bytes),
            ("fastway_received_frames_total", "frames received, commands too", |counts| counts.reads.sum),
            ("fastway_sent_frames_total", "frames sent, commands too", |counts| counts.writes.sum),
            ("fastway_forwarded_frames_total", "data frames received for a peer that is there", |counts| {
                counts.forwarded
            }),
        ];
        for (name, help, count) in counts {
            self.0.counter(name, help, by_side(sample, count));
        }

        let frames = |frames| frames as f64;
        let received = |counts: &SideCounts| histogram(&counts.reads, frames);
        let received = distributions(sample, received);
        self.0.histogram("fastway_received_batch_frames", "frames that one read completed", received);

        let sent = |counts: &SideCounts| histogram(&counts.writes, frames);
        let sent = distributions(sample, sent);
        self.0.histogram("fastway_sent_batch_frames", "frames that one flush sent", sent);
    }

    fn queues(&mut self, sample: &Sample) {
        let gauges: [(&str, &str, OfSide); 4] = [
            ("fastway_queue_packets", "packets that wait for peers", |counts| counts.waiting_packets),
            ("fastway_queue_bytes", "bytes that wait for peers", |counts| counts.waiting_bytes),
            ("fastway_partial_bytes", "bytes of messages received in part", |counts| counts.partial_bytes),
            ("fastway_buffered_bytes", "memory held for links, in bytes", |counts| counts.held_bytes),
        ];
        for (name, help, gauge) in gauges {
            self.0.gauge(name, help, by_side(sample, gauge));
        }

        let MemoryReport { most_bytes, readers_paused, .. } = sample.report.memory;
        let most = most_bytes.map(|bytes| plain(bytes as u64));
        self.0.gauge("fastway_max_buffered_bytes", "memory that may be held for links, in bytes", most);
        let help = "1 while so much is held for clients that game servers are not read";
        self.0.gauge("fastway_readers_paused_for_memory", help, [plain(u64::from(readers_paused))]);

        // Series by side and reason, of one of the values that are counted.
        let held_up = |value: fn(&HeldUp) -> f64| {
            let of_side = move |side: Side| {
                let series = move |held_up: &HeldUp| {
                    (labels(&[("side", side.name()), ("reason", held_up.reason.name())]), value(held_up))
                };
                sample.report.total.of(side).held_up.iter().map(series)
            };
            SIDES.into_iter().flat_map(of_side)
        };

        let now = held_up(|held_up| held_up.now as f64);
        self.0.gauge("fastway_links_held_up", "links that are held up now, by reason", now);
        let count = held_up(|held_up| held_up.count as f64);
        self.0.counter("fastway_hold_ups_total", "times that links were held up, by reason", count);
        let total = held_up(|held_up| held_up.total.as_secs_f64());
        self.0.counter("fastway_held_up_seconds_total", "time that links were held up, by reason", total);
    }

    fn refusals(&mut self, sample: &Sample) {
        let total = &sample.report.total;
        let dials = by_label("reason", &total.dials_refused);

        self.0.counter("fastway_dials_refused_total", "dials refused, by reason", dials);
        let no_place = by_label("reason", &total.links_rejected);

        self.0.counter("fastway_links_refused_total", "links refused when they were accepted, by reason", no_place);
        let headers = by_label("reason", &total.proxy_headers_rejected);

        let help = "streams that ended at their PROXY headers, by reason";
        self.0.counter("fastway_proxy_rejections_total", help, headers);
        let in_progress = [plain(total.server_handshakes as u64)];
        self.0.gauge("fastway_handshakes_in_progress", "servers that have not proved who they are yet", in_progress);

        let failed = by_label("reason", &total.server_handshakes_failed);
        self.0.counter("fastway_handshakes_failed_total", "server handshakes that failed, by reason", failed);

        let errors = [plain(total.accept_errors)];
        self.0.counter("fastway_accept_errors_total", "times that accepting a link failed", errors);

        let pauses = [plain(total.accept_pauses)];
        let help = "times that accepting paused for --max-accepts-per-second";
        self.0.counter("fastway_accept_pauses_total", help, pauses);
    }

    fn sessions(&mut self, sample: &Sample) {
        let (total, waiting) = (&sample.report.total, &sample.report.waiting);
        let sessions = &total.sessions;

        let open = [plain(sample.report.sessions as u64)];

        self.0.gauge("fastway_sessions", "sessions that are there, waiting ones among them", open);
        let count = [plain(waiting.holders as u64)];
        self.0.gauge("fastway_sessions_waiting", "sessions that wait for their peers to come back", count);
        let bytes = [plain(waiting.bytes as u64)];
        self.0.gauge("fastway_sessions_waiting_bytes", "bytes kept for sessions that wait", bytes);

        let opened = by_label("protocol", &sessions.opened);
        self.0.counter("fastway_sessions_opened_total", "sessions opened, by protocol", opened);

        let interrupted = [plain(sessions.interrupted)];
        self.0.counter("fastway_session_interruptions_total", "times that sessions lost their transport", interrupted);

        let resumes = by_label("outcome", &sessions.resumes);
        self.0.counter("fastway_session_resumes_total", "resumes, by outcome", resumes);
        let refused = by_label("status", &sessions.refused);
        self.0.counter("fastway_session_refusals_total", "opens and resumes refused, by status", refused);

        let in_progress = by_side(sample, |counts| counts.session_handshakes as u64);
        let help = "streams on ports with sessions that have not proved yet what they are";
        self.0.gauge("fastway_session_handshakes_in_progress", help, in_progress);

        let failed = by_label("reason", &sessions.handshakes_failed);
        self.0.counter(
            "fastway_session_handshakes_failed_total",
            "handshakes of sessions that failed, by reason",
            failed,
        );
    }

    fn pool(&mut self, pool: &[PoolClass]) {
        let chunks = |count: fn(&PoolClass) -> usize| {
            let series = move |class: &PoolClass| {
                (labels(&[("chunk_bytes", &class.chunk_bytes.to_string())]), count(class) as f64)
            };
            pool.iter().map(series)
        };

        let in_use = chunks(|class| class.in_use);
        self.0.gauge("fastway_pool_chunks_in_use", "chunks that hold waiting data, by size class", in_use);
        let free = chunks(|class| class.free);
        self.0.gauge("fastway_pool_chunks_free", "chunks that are free in the shared pool, by size class", free);
    }

    fn process(&mut self, sample: &Sample) {
        let dropped = [plain(sample.dropped_lines)];
        self.0.counter("fastway_log_lines_dropped_total", "lines of the log that nobody took in time", dropped);

        let usage = &sample.usage;
        let cpu = (usage.user + usage.system).as_secs_f64();
        self.0.counter("process_cpu_seconds_total", "CPU time, user and system", [(Vec::new(), cpu)]);
        self.0.gauge("process_resident_memory_bytes", "memory in RAM", [plain(usage.resident_bytes)]);
        self.0.gauge("process_virtual_memory_bytes", "address space", [plain(usage.virtual_bytes)]);
        self.0.gauge("process_threads", "threads", [plain(usage.threads)]);
        self.0.gauge("process_open_fds", "open descriptors", usage.open_files.map(plain));
        self.0.gauge("process_max_fds", "descriptors that may be open", usage.max_files.map(plain));

        let started = sample.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        self.0.gauge("process_start_time_seconds", "time of the start, since 1970", [(Vec::new(), started)]);

        let Some(allocator) = sample.allocator else { return };
        for (name, help, bytes) in [
            ("fastway_allocator_allocated_bytes", "memory that the program holds", allocator.allocated),
            ("fastway_allocator_active_bytes", "memory in pages that hold some of it", allocator.active),
            ("fastway_allocator_resident_bytes", "memory that the allocator has in RAM", allocator.resident),
            ("fastway_allocator_mapped_bytes", "address space that the allocator uses", allocator.mapped),
            ("fastway_allocator_retained_bytes", "address space that it keeps for later", allocator.retained),
        ] {
            self.0.gauge(name, help, [plain(bytes as u64)]);
        }
    }
}

/// A number without labels.
fn plain(value: u64) -> Series {
    (Vec::new(), value as f64)
}

/// A number for each label of a kind.
fn by_label<'a>(kind: &'static str, counts: &'a NamedCounts) -> impl Iterator<Item = Series> + 'a {
    counts.iter().map(move |(label, count)| (labels(&[(kind, label)]), count as f64))
}

/// A number of each side.
fn by_side(sample: &Sample, value: OfSide) -> impl Iterator<Item = Series> + '_ {
    let total = &sample.report.total;
    SIDES.into_iter().map(move |side| (labels(&[("side", side.name())]), value(total.of(side)) as f64))
}

/// A distribution of each side.
fn distributions(sample: &Sample, of: impl Fn(&SideCounts) -> Histogram) -> [(Vec<LabelPair>, Histogram); 2] {
    SIDES.map(|side| (labels(&[("side", side.name())]), of(sample.report.total.of(side))))
}

/// A distribution as Prometheus has it, in the unit that `unit` makes of ours.
fn histogram(counted: &observe::Histogram, unit: impl Fn(u64) -> f64) -> Histogram {
    let bucket = |&(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(unit(bound));
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(counted.cumulative.iter().map(bucket).collect());
    histogram.set_sample_count(counted.count);
    histogram.set_sample_sum(unit(counted.sum));
    histogram
}
