//! A sweep's look at one link.

use std::time::{Duration, Instant};

use super::age::Held;
use super::turn_clock::TurnClock;
use super::watch::{ByteBudget, Found, TimedOut};
use super::{CloseReason, Link, ReadPause, State, WaitReason};
use crate::mux::routing::Side;
use fastway_service::clock::Millis;

/// What a sweep brings to each link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub now: Millis,
    /// Time since the sweep before.
    pub elapsed: Duration,
    /// The part of it in which the worker itself stood still.
    pub lost: Duration,
    /// What clients may send until the next sweep, if that is limited.
    pub budget: Option<ByteBudget>,
}

impl Link {
    /// A sweep looks at the link. Says why it is to be closed, if it is.
    pub(crate) fn swept(
        &mut self,
        sweep: &Sweep,
        idle_timeout: Option<Duration>,
        clock: &TurnClock,
    ) -> Option<CloseReason> {
        if !sweep.lost.is_zero() {
            self.watch.extend_deadlines(sweep.lost);
        }
        if let Some(budget) = sweep.budget.filter(|_| self.role.side() == Side::Client) {
            self.refill(budget, clock);
        }
        self.look_at_held(sweep.elapsed.saturating_sub(sweep.lost));
        if let State::Closing { deadline, .. } = self.state {
            self.stream.tick(clock.now());
            return (sweep.now >= deadline).then_some(CloseReason::Shutdown);
        }

        if let Some(lost) = self.failure_while_unread() {
            return Some(lost.into());
        }
        self.trim();
        let timed_out = self.time_out(idle_timeout, sweep.now, clock.now());
        self.stream.tick(clock.now());
        timed_out
    }

    fn refill(&mut self, budget: ByteBudget, clock: &TurnClock) {
        if self.watch.refill(budget) {
            self.waits.end(WaitReason::ByteRate, clock);
            self.wake();
        }
    }

    /// The bytes that a client may send are limited no more, or otherwise: a link that was not read for it is looked at again.
    pub(crate) fn restart_budget(&mut self, per_second: Option<u64>, clock: &TurnClock) {
        self.watch.allowance = per_second.unwrap_or_default();
        self.waits.end(WaitReason::ByteRate, clock);
        self.wake();
    }

    /// Notes for how long the link has held what it holds; each sweep does, `elapsed` after the one before.
    fn look_at_held(&mut self, elapsed: Duration) {
        if self.is_interrupted() {
            return;
        }
        if self.accounted_bytes == 0 {
            self.held_for = None;
            return;
        }

        let unacked = self.stream.unacked().bytes as u64;
        let (is_partial, waiting_bytes) = (!self.inbox.is_empty(), self.outbox.waiting().bytes as u64);
        let is_explained = is_partial || waiting_bytes + unacked > 0;
        let held = Held {
            received_frames: self.traffic.received_frames,
            is_partial,
            queued_bytes: self.traffic.sent_bytes + waiting_bytes,
            taken_bytes: self.traffic.sent_bytes.saturating_sub(unacked),
            is_other: !is_explained || self.stream.has_read_ahead(),
        };
        let held_for = self.held_for.get_or_insert_default();
        **held_for = held_for.look(held, elapsed);
    }

    /// The error of a link that is not read: nothing else would notice that its peer is gone.
    fn failure_while_unread(&self) -> Option<std::io::Error> {
        if self.pause.is_empty() { None } else { self.stream.failure() }
    }

    /// Keeps little room where nothing came or went since the last sweep.
    fn trim(&mut self) {
        if !self.watch.heard {
            self.inbox.trim();
        }
        let is_quiet = !self.watch.progressed;
        if is_quiet {
            self.outbox.trim();
        }
        self.stream.trim(is_quiet);
    }

    /// A link whose stream does nothing for the timeout is to be closed, unless its session outlives the stream.
    fn time_out(&mut self, timeout: Option<Duration>, now: Millis, instant: Instant) -> Option<CloseReason> {
        // Answers to its own requests wait until they are acknowledged, though the outbox may be empty.
        let has_waiting = !self.outbox.is_empty() || self.pause.contains(ReadPause::UNREAD_REPLIES);
        let (is_paused, is_interrupted) = (!self.pause.is_empty(), self.is_interrupted());
        let found = Found { is_paused, is_interrupted, has_waiting };
        let timed_out = self.watch.look(found, timeout, now)?;
        if self.stream.outlives_stream(instant) {
            return None;
        }
        Some(match timed_out {
            TimedOut::Idle(timeout) => CloseReason::Idle { timeout },
            TimedOut::Stalled(timeout) => CloseReason::Stalled { timeout, waiting_bytes: self.waiting().bytes },
        })
    }
}
