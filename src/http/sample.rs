//! One look at the whole gateway, for whoever shows numbers.

use std::time::{Duration, Instant, SystemTime};

use tracing::debug;

use crate::admin::Allocator;
use crate::gateway::{Observer, Report};
use crate::process::Usage;
use crate::worker::WorkerReport;

/// How long workers have to say how they stand.
const TIME_LIMIT: Duration = Duration::from_secs(1);

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
    pub(super) usage: Usage,
    /// `None`: the program has another allocator.
    pub(super) allocator: Option<Allocator>,
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
            usage: Usage::now()
                .inspect_err(|error| debug!(%error, "what the process takes is not known"))
                .unwrap_or_default(),
            allocator: Allocator::read().ok(),
        }
    }
}
