//! The thread that wakes the workers by mail: for their sweeps, and when something of theirs is due.
//!
//! The runtimes of workers have no timers. With them a runtime reads the clock twice whenever it looks for events, which
//! is once for each message that comes alone; see `docs/decisions/data-path.md`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::mail::Message;
use super::shared::Shared;
use super::upkeep::interval;
use crate::mux::config::Settings;

/// Time between sweeps while the workers stop: each looks whether the peers of closing links have all that was sent.
const PERIOD_WHILE_STOPPING: Duration = Duration::from_millis(10);

/// Time between looks at a drain, whether its phase is over.
const LOOKS_AT_DRAIN: Duration = Duration::from_millis(20);

/// The way to the thread, which lives as long as there is a worker.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    schedule: Arc<Schedule>,
}

/// How often the workers sweep.
#[derive(Debug)]
struct Schedule {
    period_millis: AtomicU64,
    is_stopping: AtomicBool,
}

impl Ticker {
    /// Has all workers sweep as often as the shortest limit needs it, and wakes each when it wants to be woken.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn start(shared: Arc<Shared>, settings: &Settings) -> io::Result<Self> {
        let schedule = Arc::new(Schedule { period_millis: AtomicU64::new(0), is_stopping: AtomicBool::new(false) });
        let ticker = Self { shared: Arc::clone(&shared), schedule: Arc::clone(&schedule) };
        ticker.apply(settings);
        thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&shared, &schedule))?;
        Ok(ticker)
    }

    /// Has new settings hold from now on.
    pub(crate) fn apply(&self, settings: &Settings) {
        let millis = u64::try_from(interval(settings).as_millis()).unwrap_or(u64::MAX);
        self.schedule.period_millis.store(millis, Relaxed);
        self.shared.wakeups.unpark();
    }

    /// A drain has begun, or has other times.
    pub(crate) fn look_at_drain(&self) {
        self.shared.wakeups.unpark();
    }

    /// The workers stop: from now on they sweep more often.
    pub(crate) fn tick_faster(&self) {
        self.schedule.is_stopping.store(true, Relaxed);
        self.shared.wakeups.unpark();
    }
}

impl Schedule {
    fn period(&self) -> Duration {
        let period = Duration::from_millis(self.period_millis.load(Relaxed));
        if self.is_stopping.load(Relaxed) { period.min(PERIOD_WHILE_STOPPING) } else { period }
    }
}

fn run(shared: &Shared, schedule: &Schedule) {
    shared.wakeups.served_here();
    let mut swept = Instant::now();
    while !shared.mailboxes.is_deserted() {
        let now = Instant::now();
        for worker in shared.mailboxes.workers() {
            if shared.wakeups.take_due(worker, now) {
                shared.mailboxes.send(worker, Message::Deadline);
            }
        }

        shared.advance_drain(now);

        let period = schedule.period();
        if now >= swept + period {
            swept = now;
            shared.mailboxes.workers().for_each(|worker| shared.sweep(worker, now));
        }
        let look_again = if shared.drain.is_under_way() { LOOKS_AT_DRAIN } else { Duration::MAX };
        thread::park_timeout(shared.wakeups.until_next(now, (swept + period - now).min(look_again)));
    }
}
