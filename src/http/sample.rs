//! One look at the whole gateway, for whoever shows numbers.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep_until;
use tracing::debug;

use crate::admin::Allocator;
use crate::gateway::{Observer, Report};
use crate::logging;
use crate::process::Usage;
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
    at: Instant,
    /// On the clock of the world.
    pub(super) time: SystemTime,
}

/// How the gateway and its process stood at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) time: SystemTime,
    pub(super) started: SystemTime,
    pub(super) uptime: Duration,
    /// Whether all workers have answered; otherwise what they published last is shown.
    pub(super) fresh: bool,
    pub(super) stopping: bool,
    pub(super) report: Report,
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
        Self {
            time: SystemTime::now(),
            started: started.time,
            uptime: started.at.elapsed(),
            fresh,
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
