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
use crate::mux::drain::{DrainStatus, DrainStep, SharedDrain};
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
    pub(crate) drain: SharedDrain,
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
            drain: SharedDrain::new(),
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

    /// Goes on with a drain, as far as it is time to.
    pub(super) fn advance_drain(&self, now: Instant) {
        self.drain.advance(now, self.admission.clients(), |step| {
            let message = || match step {
                DrainStep::CloseToNewcomers(sides) => Some(Message::CloseToNewcomers(sides)),
                DrainStep::CloseClients(spread) => Some(Message::CloseClients(spread)),
                DrainStep::Finish => None,
            };
            for worker in self.mailboxes.workers() {
                message().into_iter().for_each(|message| self.mailboxes.send(worker, message));
            }
        });
    }

    /// How far a drain has come.
    pub(crate) fn drain_status(&self, now: Instant) -> DrainStatus {
        self.drain.status(now, self.admission.clients())
    }

    /// Publishes what a worker has done so far.
    pub(super) fn publish(&self, worker: WorkerId, report: WorkerReport) {
        if let Some(last) = self.reports.get(worker.index()) {
            *lock(last) = report;
        }
    }

    /// Has a worker look at every link. There is one such message on its way to it at most: after a long stall one sweep does
    /// what many would.
    ///
    /// No sweep is lost: the record of its heartbeat is set for each message that is sent, and cleared when the worker takes
    /// that message out and begins to sweep. So where the record is set, a sweep is still to begin.
    pub(super) fn sweep(&self, worker: WorkerId, now: Instant) {
        if self.heartbeats.ask(worker, now) {
            self.mailboxes.send(worker, Message::Sweep);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::pool::PoolConfig;

    #[test]
    fn one_sweep_at_most_waits_for_a_worker_and_none_is_lost() {
        loom::model(|| {
            let (mailboxes, mut mail) = Mailboxes::new(1);
            let (settings, now, worker) = (Settings::default(), Instant::now(), WorkerId::new(0));
            let admission = Admission::new(&settings.limits, 1);
            let pool = Pool::new(&PoolConfig::default());
            let shared = Shared::new(
                admission,
                Rates::new(&settings, now),
                pool,
                mailboxes,
                settings.sessions.waiting,
                None,
                now,
            );

            for round in 0..3 {
                (0..100).for_each(|_| shared.sweep(worker, now));
                assert!(matches!(mail[0].try_recv(), Ok(Message::Sweep)), "round {round}");
                assert!(mail[0].try_recv().is_err(), "round {round}: one is enough");
                shared.heartbeats.answered(worker);
            }
        });
    }
}
