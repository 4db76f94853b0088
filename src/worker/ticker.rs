//! The thread that tells the workers when to sweep.
//!
//! The runtimes of workers have no timers. With them a runtime reads the clock twice whenever it looks for events, which
//! is once for each message that comes alone; see `docs/decisions.md`.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::mail::{Mailboxes, Message};
use super::sweep;
use crate::config::Config;

/// Time between sweeps while the workers stop: each looks whether the peers of closing links have all that was sent.
const WHILE_STOPPING: Duration = Duration::from_millis(10);

/// The way to the thread, which lives as long as there is a worker.
#[derive(Debug)]
pub(crate) struct Ticker {
    periods: Sender<Duration>,
}

impl Ticker {
    /// Has all workers sweep as often as the shortest limit needs it.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(crate) fn start(mailboxes: Mailboxes, config: &Config) -> io::Result<Self> {
        let (periods, changes) = channel();
        let period = sweep::interval(config);
        thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&mailboxes, period, &changes))?;
        Ok(Self { periods })
    }

    /// The workers stop: from now on they sweep more often.
    pub(crate) fn hurry(&self) {
        let _all_workers_are_gone = self.periods.send(WHILE_STOPPING);
    }
}

fn run(mailboxes: &Mailboxes, mut period: Duration, changes: &Receiver<Duration>) {
    while !mailboxes.is_deserted() {
        match changes.recv_timeout(period) {
            Ok(shorter) => period = shorter,
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody is left to stop the gateway, which goes on.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(period),
        }
        mailboxes.workers().for_each(|worker| mailboxes.send(worker, Message::Sweep));
    }
}
