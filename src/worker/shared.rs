//! What all workers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::mail::Mailboxes;
use super::report::WorkerReport;
use super::sessions::Sessions;
use crate::admission::Admission;
use crate::config::WaitingLimits;
use crate::pool::Pool;
use crate::routing::{Registry, WorkerId};

/// What all workers share. None of it is touched for a frame.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) sessions: Sessions,
    reports: Box<[Mutex<WorkerReport>]>,
}

impl Shared {
    pub(crate) fn new(
        admission: Arc<Admission>,
        pool: Arc<Pool>,
        mailboxes: Mailboxes,
        waiting: WaitingLimits,
    ) -> Arc<Self> {
        let reports = mailboxes.workers().map(|_| Mutex::default()).collect();
        let sessions = Sessions::new(waiting);
        Arc::new(Self { registry: Arc::default(), admission, pool, mailboxes, sessions, reports })
    }

    /// Publishes what a worker has done so far.
    pub(super) fn publish(&self, worker: WorkerId, report: WorkerReport) {
        if let Some(last) = self.reports.get(worker.index()) {
            *lock(last) = report;
        }
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
