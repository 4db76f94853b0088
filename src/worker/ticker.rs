//! The thread that wakes the workers by mail: for their sweeps, and when something of theirs is due.
//!
//! The runtimes of workers have no timers. With them a runtime reads the clock twice whenever it looks for events, which
//! is once for each message that comes alone; see `docs/decisions/data-path.md`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::mail::Message;
use super::shared::Shared;
use super::upkeep::interval;
use crate::config::Config;

/// Time between sweeps while the workers stop: each looks whether the peers of closing links have all that was sent.
const PERIOD_WHILE_STOPPING: Duration = Duration::from_millis(10);

/// The way to the thread, which lives as long as there is a worker.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
}

impl Ticker {
    /// Has all workers sweep as often as the shortest limit needs it, and wakes each when it wants to be woken.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn start(shared: Arc<Shared>, config: &Config) -> io::Result<Self> {
        let ticker = Self { shared: Arc::clone(&shared), stopping: Arc::default() };
        let (period, stopping) = (interval(config), Arc::clone(&ticker.stopping));
        thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&shared, period, &stopping))?;
        Ok(ticker)
    }

    /// The workers stop: from now on they sweep more often.
    pub(crate) fn tick_faster(&self) {
        self.stopping.store(true, Relaxed);
        self.shared.wakeups.unpark();
    }
}

fn run(shared: &Shared, period: Duration, stopping: &AtomicBool) {
    shared.wakeups.served_here();
    let mut swept = Instant::now();
    while !shared.mailboxes.is_deserted() {
        let now = Instant::now();
        for worker in shared.mailboxes.workers() {
            if shared.wakeups.take_due(worker, now) {
                shared.mailboxes.send(worker, Message::Deadline);
            }
        }

        let period = if stopping.load(Relaxed) { period.min(PERIOD_WHILE_STOPPING) } else { period };
        if now >= swept + period {
            swept = now;
            shared.mailboxes.workers().for_each(|worker| shared.sweep(worker));
        }
        thread::park_timeout(shared.wakeups.until_next(now, swept + period - now));
    }
}
