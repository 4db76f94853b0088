//! One look at the whole gateway, for whoever shows numbers.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fastway_service::logging;
use fastway_service::process::Usage;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep_until;
use tracing::debug;

use crate::admin::Allocator;
use crate::observer::{Observer, Report};
use crate::routing::RouterStats;
use crate::worker::WorkerReport;

/// How long workers have to say how they stand.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Time from one shared look to the next: each worker walks over all of its links for it.
const GAP: Duration = Duration::from_millis(100);

/// The looks at the gateway that all who ask share, so that many who ask cost no more than a few.
#[derive(Debug, Default)]
pub(super) struct Samples {
    latest: Arc<Mutex<Option<Shared>>>,
}

/// A look, and when it began.
#[derive(Clone, Debug)]
struct Shared {
    began: Instant,
    sample: Arc<Sample>,
}

/// The right to take the next look. Nobody else takes one before this is dropped.
#[derive(Debug)]
pub(super) struct Turn(OwnedMutexGuard<Option<Shared>>);

/// When the listener started, which is when the gateway did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    /// On the clock that never steps back.
    pub(super) at: Instant,
    /// On the clock of the world.
    pub(super) time: SystemTime,
}

/// How the gateway and its process stood at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) time: SystemTime,
    pub(super) started: SystemTime,
    /// Time from the start to the last report of a worker in it.
    pub(super) uptime: Duration,
    /// Time from the start to when it was taken, with what the process takes and what the allocator counts.
    pub(super) measured: Duration,
    /// Whether all workers have answered; otherwise what they published last is shown.
    pub(super) fresh: bool,
    pub(super) stopping: bool,
    pub(super) report: Report,
    /// Time since each worker published how it stands.
    pub(super) silent: Vec<Duration>,
    /// All workers together.
    pub(super) total: WorkerReport,
    /// Lines of the log that were dropped so far.
    pub(super) dropped_lines: u64,
    pub(super) usage: Usage,
    /// `None`: the program has another allocator.
    pub(super) allocator: Option<Allocator>,
}

impl Samples {
    /// Waits for a look that somebody else began after this was called, which shows all that was so before; or for the
    /// turn to take one, which comes a while after the last.
    pub(super) async fn next(&self) -> Result<Arc<Sample>, Turn> {
        let asked = Instant::now();
        let latest = Arc::clone(&self.latest).lock_owned().await;
        match latest.as_ref() {
            Some(shared) if shared.began >= asked => return Ok(Arc::clone(&shared.sample)),
            Some(shared) => sleep_until((shared.began + GAP).into()).await,
            None => {}
        }
        Err(Turn(latest))
    }
}

impl Turn {
    /// Takes a look.
    pub(super) fn take(mut self, look: impl FnOnce() -> Sample) -> Arc<Sample> {
        let began = Instant::now();
        let sample = Arc::new(look());
        *self.0 = Some(Shared { began, sample: Arc::clone(&sample) });
        sample
    }
}

impl Started {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), time: SystemTime::now() }
    }
}

impl Sample {
    /// Asks the workers how they stand; if one does not answer, all are taken as they stood when they last did, or at their last sweeps.
    pub(super) fn take(observer: &Observer, started: Started, stopping: bool) -> Self {
        let asked = observer.clone().with_time_limit(TIME_LIMIT).report_now();
        let fresh = asked.is_ok();
        let report = asked.unwrap_or_else(|_late| observer.report());
        Self { fresh, ..Self::of(report, started, stopping) }
    }

    /// What the workers published last, at most a sweep ago. Asks nobody, so no worker has any work by it.
    pub(super) fn take_published(observer: &Observer, started: Started, stopping: bool) -> Self {
        let sample = Self::of(observer.report(), started, stopping);
        let published = sample.total.published.unwrap_or(started.at);
        let uptime = published.saturating_duration_since(started.at);
        let age = sample.measured.saturating_sub(uptime);
        Self { time: sample.time - age, uptime, ..sample }
    }

    fn of(report: Report, started: Started, stopping: bool) -> Self {
        let uptime = started.at.elapsed();
        Self {
            time: SystemTime::now(),
            started: started.time,
            uptime,
            measured: uptime,
            silent: report.workers.iter().map(|worker| silence(worker, started)).collect(),
            fresh: true,
            stopping,
            total: report.total(),
            report,
            dropped_lines: logging::dropped_lines(),
            usage: Usage::now()
                .inspect_err(|error| debug!(%error, "what the process takes is not known"))
                .unwrap_or_default(),
            allocator: Allocator::read().ok(),
        }
    }
}

/// Time since a worker published how it stands, which it does at each sweep.
fn silence(worker: &WorkerReport, started: Started) -> Duration {
    worker.published.unwrap_or(started.at).elapsed()
}

/// Dials refused, by reason.
pub(super) fn dials_refused(stats: &RouterStats) -> [(&'static str, u64); 3] {
    let RouterStats { refused_unknown, refused_max_conns, refused_dial_rate, .. } = *stats;
    [("unknown", refused_unknown), ("max_conns", refused_max_conns), ("dial_rate", refused_dial_rate)]
}

#[cfg(test)]
impl Default for Sample {
    fn default() -> Self {
        let report = Report {
            workers: vec![WorkerReport::default()],
            servers: 0,
            sessions: 0,
            waiting: Default::default(),
            memory: Default::default(),
            pool: Vec::new(),
        };
        Self {
            time: SystemTime::UNIX_EPOCH,
            started: SystemTime::UNIX_EPOCH,
            uptime: Duration::ZERO,
            measured: Duration::ZERO,
            fresh: true,
            stopping: false,
            total: report.total(),
            silent: vec![Duration::ZERO],
            report,
            usage: Usage::default(),
            allocator: None,
            dropped_lines: 0,
        }
    }
}
