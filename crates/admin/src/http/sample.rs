//! A sample of the whole gateway, for everything that shows numbers.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fastway_service::logging;
use fastway_service::process::Usage;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep_until;
use tracing::debug;

use crate::Allocator;
use crate::observe::{Observe, Report, WorkerLoad};

/// The time that workers have to answer.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// The time from one shared sample to the next: each worker walks over all of its links for it.
const GAP: Duration = Duration::from_millis(100);

/// The samples that all requests share, so that many requests cost no more than a few.
#[derive(Debug, Default)]
pub(super) struct Samples {
    latest: Arc<Mutex<Option<Shared>>>,
}

/// A sample, and when it began.
#[derive(Clone, Debug)]
struct Shared {
    began: Instant,
    sample: Arc<Sample>,
}

/// The right to take the next sample, exclusive until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(OwnedMutexGuard<Option<Shared>>);

/// The start of the listener, which is that of the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    /// On the monotonic clock.
    pub(super) at: Instant,
    /// On the wall clock.
    pub(super) time: SystemTime,
}

/// The state of the gateway and its process at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) time: SystemTime,
    pub(super) started: SystemTime,
    /// Time from the start to the last report of a worker.
    pub(super) uptime: Duration,
    /// Time from the start to when it was taken, with what the process takes and what the allocator counts.
    pub(super) measured: Duration,
    /// Whether all workers have answered. Otherwise their last published reports are used.
    pub(super) fresh: bool,
    pub(super) stopping: bool,
    pub(super) report: Report,
    /// Time since each worker published a report.
    pub(super) silent: Vec<Duration>,
    /// Lines of the log that were dropped so far.
    pub(super) dropped_lines: u64,
    pub(super) usage: Usage,
    /// `None` if the program has another allocator.
    pub(super) allocator: Option<Allocator>,
}

impl Samples {
    /// Waits for a sample that another request began after this call, which is as fresh as a new one; or for the turn
    /// to take one, which comes some time after the last.
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
    /// Takes a sample.
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
    /// Asks the workers for reports. If one does not answer in time, the last published reports of all are used.
    pub(super) fn take(observer: &dyn Observe, started: Started, stopping: bool) -> Self {
        let asked = observer.with_time_limit(TIME_LIMIT).report_now();
        let fresh = asked.is_ok();
        let report = asked.unwrap_or_else(|_late| observer.report());
        Self { fresh, ..Self::of(report, started, stopping) }
    }

    /// Takes the reports that workers have published, at most a sweep ago. It asks no worker, so it costs them nothing.
    pub(super) fn take_published(observer: &dyn Observe, started: Started, stopping: bool) -> Self {
        let sample = Self::of(observer.report(), started, stopping);
        let published = sample.report.total.published.unwrap_or(started.at);
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
            report,
            dropped_lines: logging::dropped_lines(),
            usage: Usage::now()
                .inspect_err(
                    |error| debug!(target: "fastway::http::sample", %error, "what the process takes is not known"),
                )
                .unwrap_or_default(),
            allocator: Allocator::read().ok(),
        }
    }
}

/// Time since a worker published how it stands, which it does at each sweep.
fn silence(worker: &WorkerLoad, started: Started) -> Duration {
    worker.published.unwrap_or(started.at).elapsed()
}

#[cfg(test)]
impl Default for Sample {
    fn default() -> Self {
        let report = Report { workers: vec![WorkerLoad::default()], ..Report::default() };
        Self {
            time: SystemTime::UNIX_EPOCH,
            started: SystemTime::UNIX_EPOCH,
            uptime: Duration::ZERO,
            measured: Duration::ZERO,
            fresh: true,
            stopping: false,
            silent: vec![Duration::ZERO],
            report,
            usage: Usage::default(),
            allocator: None,
            dropped_lines: 0,
        }
    }
}
