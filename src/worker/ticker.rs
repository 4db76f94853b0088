//! The thread that tells the workers when to sweep.
//!
//! The runtimes of workers have no timers. With them a runtime reads the clock twice whenever it looks for events, which
//! is once for each message that comes alone; see `docs/decisions.md`.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::mail::Message;
use super::sessions::ACK_TICK;
use super::shared::Shared;
use super::upkeep::interval;
use crate::config::Config;

/// Time between sweeps while the workers stop: each looks whether the peers of closing links have all that was sent.
const WHILE_STOPPING: TickSchedule = TickSchedule { period: Duration::from_millis(10), ticks: 1 };

/// When workers sweep, and when they look for acknowledgements that are due.
#[derive(Clone, Copy, Debug)]
struct TickSchedule {
    /// Time between sweeps.
    period: Duration,
    /// Ticks in it; the last one is the sweep.
    ticks: u32,
}

impl TickSchedule {
    fn of(config: &Config) -> Self {
        let period = interval(config);
        let with_sessions = config.client.kinds.with_sessions() || config.server.kinds.with_sessions();
        let ticks = u32::try_from(period.as_millis().div_ceil(ACK_TICK.as_millis())).unwrap_or(u32::MAX);
        Self { period, ticks: if with_sessions { ticks } else { 1 } }
    }
}

/// The way to the thread, which lives as long as there is a worker.
#[derive(Debug)]
pub(crate) struct Ticker {
    schedules: Sender<TickSchedule>,
}

impl Ticker {
    /// Has all workers sweep as often as the shortest limit needs it.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn start(shared: Arc<Shared>, config: &Config) -> io::Result<Self> {
        let (schedules, changes) = channel();
        let schedule = TickSchedule::of(config);
        thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&shared, schedule, &changes))?;
        Ok(Self { schedules })
    }

    /// The workers stop: from now on they sweep more often.
    pub(crate) fn tick_faster(&self) {
        let _all_workers_are_gone = self.schedules.send(WHILE_STOPPING);
    }
}

fn run(shared: &Shared, mut schedule: TickSchedule, changes: &Receiver<TickSchedule>) {
    let mut tick = 0;
    while !shared.mailboxes.is_deserted() {
        let pause = schedule.period / schedule.ticks;
        match changes.recv_timeout(pause) {
            Ok(faster) => schedule = faster,
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody is left to stop the gateway, which goes on.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(pause),
        }
        tick = (tick + 1) % schedule.ticks;
        for worker in shared.mailboxes.workers() {
            match tick {
                0 => shared.sweep(worker),
                _ => shared.mailboxes.send(worker, Message::AckTick),
            }
        }
    }
}
