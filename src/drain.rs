//! Draining on an operator's word: what commands and the signals to stop mean for the process.

use std::time::Duration;

use fastway::drain::{DrainPhase, DrainStatus, DrainTimes};
use fastway::gateway::Running;
use tokio::time::Instant;
use tracing::info;

/// What the log calls the program.
const TARGET: &str = "fastway";

/// Time between lines about a drain in which nothing but the number of clients changes.
const PROGRESS: Duration = Duration::from_secs(10);

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Serve,
    /// It drains, and goes on running without clients.
    Stay,
    /// It drains, and ends.
    End {
        was_signalled: bool,
    },
}

/// How a process ends that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What waits is sent first.
    Graceful,
    /// An operator does not want to wait.
    AtOnce,
}

/// The drain of this process.
pub(crate) struct Drain {
    /// The times of the flags.
    times: DrainTimes,
    intent: Intent,
    shown: Option<(DrainPhase, Instant)>,
}

impl Drain {
    /// There is none yet.
    pub(crate) fn new(times: DrainTimes) -> Self {
        Self { times, intent: Intent::Serve, shown: None }
    }

    /// A signal to stop. `None`: the process drains first.
    pub(crate) fn signalled(&mut self, running: &Running) -> Option<End> {
        match self.intent {
            Intent::End { was_signalled: true } => return Some(End::AtOnce),
            // A hook that runs before the signal may have drained already.
            Intent::End { was_signalled: false } => {}
            // All links end together, those of servers as well.
            Intent::Serve | Intent::Stay if self.times == DrainTimes::default() => return Some(End::Graceful),
            Intent::Serve | Intent::Stay => running.drain(self.times),
        }
        self.intent = Intent::End { was_signalled: true };
        None
    }

    /// New times for drains that begin from now on.
    pub(crate) fn set_times(&mut self, times: DrainTimes) {
        self.times = times;
    }

    /// Drains, in place of the timeout of the flags with this one.
    pub(crate) fn begin(&mut self, timeout: Option<Duration>, stay: bool, running: &Running) {
        let timeout = timeout.unwrap_or(self.times.timeout);
        running.drain(DrainTimes { timeout, ..self.times });
        // The signal to end was given, and counts.
        if !matches!(self.intent, Intent::End { was_signalled: true }) {
            self.intent = if stay { Intent::Stay } else { Intent::End { was_signalled: false } };
        }
    }

    /// Takes the drain back.
    ///
    /// # Errors
    /// The process was told to end, or the drain cannot be taken back.
    pub(crate) fn undo(&mut self, running: &Running) -> Result<(), String> {
        if matches!(self.intent, Intent::End { was_signalled: true }) {
            return Err("the process was told to end by a signal".to_owned());
        }
        running.undrain().map_err(|error| error.to_string())?;
        self.intent = Intent::Serve;
        info!(target: TARGET, "the drain was taken back");
        Ok(())
    }

    /// Whether the process drains, or has drained and stays.
    pub(crate) fn is_under_way(&self) -> bool {
        self.intent != Intent::Serve
    }

    /// Whether the process ends when no client is left.
    pub(crate) fn ends_when_drained(&self) -> bool {
        matches!(self.intent, Intent::End { .. })
    }

    /// Logs how far it has come: each phase, and now and then the number of clients.
    pub(crate) fn show(&mut self, status: DrainStatus) {
        let now = Instant::now();
        let is_news = match self.shown {
            Some((phase, at)) => phase != status.phase || status.phase != DrainPhase::Drained && now >= at + PROGRESS,
            None => true,
        };
        if is_news && status.phase != DrainPhase::Serving {
            self.shown = Some((status.phase, now));
            let DrainStatus { phase, clients, remaining } = status;
            let remaining_ms = remaining.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            info!(target: TARGET, phase = phase.name(), clients, remaining_ms, "draining");
        }
    }
}
