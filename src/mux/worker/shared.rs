//! What all workers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::heartbeats::Heartbeats;
use super::mail::{Mailboxes, Message};
use super::memory_account::Memory;
use super::report::WorkerReport;
use super::shared_sessions::Sessions;
use super::wakeups::Wakeups;
use crate::mux::accept::Rates;
use crate::mux::accept::admission::Admission;
use crate::mux::config::{Settings, WaitingLimits};
use crate::mux::pool::Pool;
use crate::mux::routing::{Registry, WorkerId};

/// What all workers share. None of it is touched for a frame.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) sessions: Sessions,
    pub(crate) heartbeats: Heartbeats,
    pub(super) wakeups: Wakeups,
    pub(crate) memory: Memory,
    reports: Box<[Mutex<WorkerReport>]>,
}

impl Shared {
    pub(crate) fn new(
        admission: Arc<Admission>,
        rates: Arc<Rates>,
        pool: Arc<Pool>,
        mailboxes: Mailboxes,
        waiting: WaitingLimits,
        max_buffered_bytes: Option<usize>,
        started: Instant,
    ) -> Arc<Self> {
        let memory = Memory::new(max_buffered_bytes.unwrap_or(usize::MAX), mailboxes.workers().count());
        let reports = mailboxes.workers().map(|_| Mutex::default()).collect();
        let sessions = Sessions::new(waiting);
        let workers = mailboxes.workers().count();
        Arc::new(Self {
            registry: Arc::default(),
            admission,
            rates,
            pool,
            mailboxes,
            sessions,
            heartbeats: Heartbeats::new(workers, started),
            wakeups: Wakeups::new(workers, started),
            memory,
            reports,
        })
    }

    /// Has new limits hold from now on.
    pub(crate) fn apply(&self, settings: &Settings) {
        self.admission.set_limits(&settings.limits);
        self.rates.apply(settings);
        self.sessions.set_limits(settings.sessions.waiting);
        self.memory.account.set_bound(settings.limits.max_buffered_bytes.most().unwrap_or(usize::MAX));
    }

    /// Publishes what a worker has done so far.
    pub(super) fn publish(&self, worker: WorkerId, report: WorkerReport) {
        if let Some(last) = self.reports.get(worker.index()) {
            *lock(last) = report;
        }
    }

    /// Has a worker look at every link.
    pub(super) fn sweep(&self, worker: WorkerId, now: Instant) {
        self.heartbeats.asked(worker, now);
        self.mailboxes.send(worker, Message::Sweep);
    }

    /// The worker that has not answered for longest, and for how long. One that has ended is none.
    pub(crate) fn longest_silence(&self, now: Instant) -> Option<(WorkerId, Duration)> {
        let running = self.mailboxes.workers().filter(|worker| !self.mailboxes.has_ended(*worker));
        running.map(|worker| (worker, self.heartbeats.silence(worker, now))).max_by_key(|(_, silence)| *silence)
    }

    /// What each worker last published.
    pub(crate) fn reports(&self) -> Vec<WorkerReport> {
        self.reports.iter().map(|last| *lock(last)).collect()
    }
}

/// A panic of another thread cannot leave a report half written.
fn lock(report: &Mutex<WorkerReport>) -> MutexGuard<'_, WorkerReport> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
