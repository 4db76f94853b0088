//! Draining: the gateway takes nobody new, waits for its clients to leave, and closes the others little by little.
//!
//! ```text
//!   Serving ──asked──> Announced ──delay──> Waiting ──no client left, or timeout──> Closing ──none left──> Drained
//!      ▲                   │                   │                                                              │
//!      └────── undone ─────┴───────────────────┴────────────────────────── undone ────────────────────────────┘
//! ```
//!
//! A state machine: time and the number of clients come in, what is to be done comes out. [`Running`](super::gateway::Running)
//! and the ticker's thread carry it out.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use fastway_admin::observe::{DrainPhase, DrainStatus};
use tokio::sync::Notify;

use crate::mux::routing::PerSide;

/// How long each part of a drain may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainTimes {
    /// How long newcomers are still taken in, since whoever sends them here learns late that the gateway drains.
    pub delay: Duration,
    /// How long clients may go on after that; then they are closed.
    pub timeout: Duration,
    /// The time over which their ends are spread, so that they do not all come to the next gateway at once.
    pub spread: Duration,
}

/// A drain cannot be taken back any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndrainError {
    /// There is no drain.
    #[error("the gateway does not drain")]
    Serving,
    /// Clients are being closed.
    #[error("the drain has begun to close clients: it can be taken back when it is over")]
    Closing,
}

/// What is to be done for a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainStep {
    /// Take nobody new, and close the ports of these sides.
    CloseToNewcomers(PerSide<bool>),
    /// Close all clients, within this time.
    CloseClients(Duration),
    /// Tell whoever waits that it is over.
    Finish,
}

/// A drain has closed ports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// The drain of a gateway.
#[derive(Clone, Copy, Debug)]
struct Drain {
    phase: DrainPhase,
    times: DrainTimes,
    /// When the phase ends at the latest.
    until: Option<Instant>,
    /// The sides whose ports it will close.
    will_close: PerSide<bool>,
    /// Those whose ports it has closed.
    closed: PerSide<bool>,
}

impl Drain {
    fn new() -> Self {
        Self {
            phase: DrainPhase::Serving,
            times: DrainTimes::default(),
            until: None,
            will_close: PerSide::default(),
            closed: PerSide::default(),
        }
    }

    /// Begins. A drain under way gets the new times, and none of its phases begins again.
    fn begin(&mut self, times: DrainTimes, now: Instant) {
        let DrainTimes { delay, timeout, .. } = times;
        self.times = times;
        match self.phase {
            DrainPhase::Serving => self.enter(DrainPhase::Announced, now.checked_add(delay)),
            DrainPhase::Waiting => self.until = now.checked_add(timeout),
            DrainPhase::Announced | DrainPhase::Closing | DrainPhase::Drained => {}
        }
    }

    /// Takes it back. Returns the sides whose ports it has closed.
    fn undo(&mut self) -> Result<PerSide<bool>, UndrainError> {
        match self.phase {
            DrainPhase::Serving => Err(UndrainError::Serving),
            DrainPhase::Closing => Err(UndrainError::Closing),
            DrainPhase::Announced | DrainPhase::Waiting | DrainPhase::Drained => {
                self.enter(DrainPhase::Serving, None);
                Ok(std::mem::take(&mut self.closed))
            }
        }
    }

    /// The next step, if it is time for one.
    fn next_step(&mut self, now: Instant, clients: usize) -> Option<DrainStep> {
        let is_over = self.until.is_some_and(|until| until <= now);
        let DrainTimes { timeout, spread, .. } = self.times;
        match self.phase {
            DrainPhase::Announced if is_over => {
                self.enter(DrainPhase::Waiting, now.checked_add(timeout));
                self.closed = self.will_close;
                Some(DrainStep::CloseToNewcomers(self.closed))
            }
            DrainPhase::Waiting if is_over && clients > 0 => {
                self.enter(DrainPhase::Closing, now.checked_add(spread));
                Some(DrainStep::CloseClients(spread))
            }
            DrainPhase::Waiting | DrainPhase::Closing if clients == 0 => {
                self.enter(DrainPhase::Drained, None);
                Some(DrainStep::Finish)
            }
            _ => None,
        }
    }

    fn enter(&mut self, phase: DrainPhase, until: Option<Instant>) {
        (self.phase, self.until) = (phase, until);
    }

    fn status(&self, now: Instant, clients: usize) -> DrainStatus {
        let remaining = self.until.map(|until| until.saturating_duration_since(now));
        DrainStatus { phase: self.phase, clients, remaining }
    }
}

/// The drain of a gateway, as its threads share it.
#[derive(Debug)]
pub(crate) struct SharedDrain {
    drain: Mutex<Drain>,
    /// Whether newcomers are turned away: read for each of them.
    is_closed: AtomicBool,
    /// Tells that the phase has changed.
    changed: Notify,
}

impl SharedDrain {
    /// The gateway serves.
    pub(crate) fn new() -> Self {
        Self { drain: Mutex::new(Drain::new()), is_closed: AtomicBool::new(false), changed: Notify::new() }
    }

    /// Whether newcomers are taken in.
    pub(crate) fn admits_newcomers(&self) -> bool {
        !self.is_closed.load(Relaxed)
    }

    /// Begins to drain. A drain under way gets the new times.
    pub(crate) fn begin(&self, times: DrainTimes, now: Instant) {
        self.drain().begin(times, now);
        self.changed.notify_waiters();
    }

    /// Says which sides' ports a drain closes that does so from now on.
    pub(crate) fn will_close(&self, sides: PerSide<bool>) {
        self.drain().will_close = sides;
    }

    /// Does something while no port is closed by a drain, and none will be meanwhile.
    pub(crate) fn while_open<T>(&self, act: impl FnOnce() -> T) -> Result<T, Closed> {
        let drain = self.drain();
        if drain.closed == PerSide::default() { Ok(act()) } else { Err(Closed) }
    }

    /// Takes a drain back: `reopen` opens the ports of the sides again that it has closed.
    ///
    /// # Errors
    /// It cannot be taken back, or what `reopen` says; then it goes on.
    pub(crate) fn undo<E: From<UndrainError>>(
        &self,
        reopen: impl FnOnce(PerSide<bool>) -> Result<(), E>,
    ) -> Result<(), E> {
        // The ticker's thread must not close the ports again meanwhile.
        let mut drain = self.drain();
        let before = *drain;
        let closed = drain.undo()?;
        if let Err(error) = reopen(closed) {
            *drain = before;
            return Err(error);
        }
        self.is_closed.store(false, Relaxed);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Has all steps carried out for which it is time.
    pub(crate) fn advance(&self, now: Instant, clients: usize, mut carry_out: impl FnMut(DrainStep)) {
        let mut drain = self.drain();
        while let Some(step) = drain.next_step(now, clients) {
            if matches!(step, DrainStep::CloseToNewcomers(_)) {
                self.is_closed.store(true, Relaxed);
            }
            carry_out(step);
            self.changed.notify_waiters();
        }
    }

    /// How far it has come.
    pub(crate) fn status(&self, now: Instant, clients: usize) -> DrainStatus {
        self.drain().status(now, clients)
    }

    /// Whether it is time for a look at the clients every now and then.
    pub(crate) fn is_under_way(&self) -> bool {
        !matches!(self.drain().phase, DrainPhase::Serving | DrainPhase::Drained)
    }

    /// Waits until no client is left, and returns true, or until the drain was taken back.
    pub(crate) async fn finished(&self) -> bool {
        loop {
            // Before the look: what changes after it is not missed.
            let changed = self.changed.notified();
            match self.drain().phase {
                DrainPhase::Drained => return true,
                DrainPhase::Serving => return false,
                DrainPhase::Announced | DrainPhase::Waiting | DrainPhase::Closing => {}
            }
            changed.await;
        }
    }

    /// A panic of another thread cannot leave it half changed.
    fn drain(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: DrainTimes =
        DrainTimes { delay: SECOND, timeout: Duration::from_secs(10), spread: Duration::from_secs(5) };

    const CLOSE: DrainStep = DrainStep::CloseToNewcomers(SIDES);
    const SIDES: PerSide<bool> = PerSide { client: true, server: false };

    fn new() -> Drain {
        Drain { will_close: SIDES, ..Drain::new() }
    }

    /// The steps at each time, in seconds, with so many clients.
    fn steps(drain: &mut Drain, start: Instant, seconds: u32, clients: usize) -> Vec<DrainStep> {
        std::iter::from_fn(|| drain.next_step(start + SECOND * seconds, clients)).collect()
    }

    #[test]
    fn clients_that_stay_are_closed_when_the_timeout_is_over() {
        let (start, mut drain) = (Instant::now(), new());
        assert_eq!(steps(&mut drain, start, 0, 3), []);
        drain.begin(TIMES, start);
        assert_eq!(steps(&mut drain, start, 0, 3), []);
        assert_eq!(steps(&mut drain, start, 1, 3), [CLOSE]);
        assert_eq!(steps(&mut drain, start, 10, 3), []);
        assert_eq!(drain.status(start + SECOND * 10, 3).remaining, Some(SECOND));
        assert_eq!(steps(&mut drain, start, 11, 3), [DrainStep::CloseClients(TIMES.spread)]);
        assert_eq!(steps(&mut drain, start, 60, 1), [], "its grace ends it");
        assert_eq!(steps(&mut drain, start, 61, 0), [DrainStep::Finish]);
        assert_eq!(steps(&mut drain, start, 62, 0), []);
    }

    #[test]
    fn it_is_over_as_soon_as_the_last_client_has_gone() {
        let (start, mut drain) = (Instant::now(), new());
        drain.begin(TIMES, start);
        assert_eq!(steps(&mut drain, start, 0, 0), [], "the delay is for those who still come");
        assert_eq!(steps(&mut drain, start, 1, 0), [CLOSE, DrainStep::Finish]);
    }

    #[test]
    fn without_times_everything_is_done_at_once() {
        let (start, mut drain) = (Instant::now(), new());
        drain.begin(DrainTimes::default(), start);
        let expected = [CLOSE, DrainStep::CloseClients(Duration::ZERO)];
        assert_eq!(steps(&mut drain, start, 0, 2), expected);
    }

    #[test]
    fn a_second_drain_changes_the_times_of_what_has_not_begun() {
        let (start, mut drain) = (Instant::now(), new());
        drain.begin(TIMES, start);
        drain.begin(DrainTimes { delay: SECOND * 60, ..TIMES }, start);
        assert_eq!(steps(&mut drain, start, 1, 1), [CLOSE]);
        drain.begin(DrainTimes { timeout: Duration::ZERO, ..TIMES }, start + SECOND * 2);
        assert_eq!(steps(&mut drain, start, 2, 1), [DrainStep::CloseClients(TIMES.spread)]);
    }

    #[test]
    fn it_can_be_taken_back_except_while_clients_are_being_closed() {
        let start = Instant::now();
        for (seconds, clients, taken_back) in
            [(0, 1, Ok(PerSide::default())), (1, 1, Ok(SIDES)), (1, 0, Ok(SIDES)), (11, 1, Err(UndrainError::Closing))]
        {
            let mut drain = new();
            assert_eq!(drain.undo(), Err(UndrainError::Serving));
            drain.begin(TIMES, start);
            let _ = steps(&mut drain, start, 1, clients);
            if seconds == 0 {
                drain = new();
                drain.begin(TIMES, start);
            }
            let _ = steps(&mut drain, start, seconds, clients);
            assert_eq!(drain.undo(), taken_back, "after {seconds} s with {clients} clients");
            assert_eq!(drain.phase == DrainPhase::Serving, taken_back.is_ok());
        }
    }

    #[test]
    fn ports_that_cannot_be_opened_again_leave_the_drain_as_it_was() {
        let (start, shared) = (Instant::now(), SharedDrain::new());
        shared.will_close(SIDES);
        shared.begin(DrainTimes::default(), start);
        shared.advance(start, 0, |_| {});
        assert!(!shared.admits_newcomers());
        assert_eq!(shared.undo(|_| Err(UndrainError::Closing)), Err(UndrainError::Closing));
        assert_eq!(shared.while_open(|| ()), Err(Closed));
        assert_eq!(shared.status(start, 0).phase, DrainPhase::Drained);
        assert!(!shared.admits_newcomers());
        let reopen = |closed| {
            assert_eq!(closed, SIDES);
            Ok::<_, UndrainError>(())
        };
        shared.undo(reopen).unwrap();
        assert_eq!(shared.while_open(|| ()), Ok(()));
        assert!(shared.admits_newcomers());
        assert_eq!(shared.status(start, 0).phase, DrainPhase::Serving);
    }
}
