//! The sweep: a walk over all links, a few times a second, that finds those that are idle, stuck or slow.
//!
//! The data path only sets flags; it never reads a clock and arms no timer. So a limit is kept to within one or two
//! sweeps, and never early.

use std::time::{Duration, Instant};

use fastway_service::clock::Millis;

use super::core::Core;
use super::load::thread_cpu;
use super::report::{SideReport, WorkerReport, allocated_bytes};
use super::upkeep::{Allowance, Sweep};
use crate::link::{CloseReason, Link, ReadPause, State, WaitReason};
use crate::routing::{PerSide, Role, Side, Slot};

/// Links of which a sweep asks for the round-trip time: a system call for each.
const ROUND_TRIPS_PER_SWEEP: usize = 8;
/// Places that it looks at for them.
const SLOTS_SAMPLED: usize = 256;

impl Core {
    /// Looks at every link once.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.shared.heartbeats.answered(self.me);
        let Sweep { elapsed, stalled, allowance } = self.upkeep.begin(now, thread_cpu());
        for slot in self.links.slots() {
            if !stalled.is_zero() {
                self.extend_deadlines(slot, stalled);
            }
            if let Some(allowance) = allowance {
                self.refill_budget(slot, allowance);
            }
            if let Some(link) = self.links.get_mut(slot) {
                link.look_at_held(elapsed);
            }
            match self.examine(slot) {
                Some(CloseReason::Idle { .. } | CloseReason::Stalled { .. }) if self.has_session(slot) => {
                    // The peer may have gone where the stream cannot follow.
                    self.drop_stream(slot);
                }
                Some(reason) => {
                    self.count_undelivered(slot);
                    self.close(slot, &reason);
                }
                None => self.judge(slot),
            }
            if self.has_session(slot) {
                self.tick_session(slot, now);
            }
            self.remove_if_done(slot);
        }
        self.share_out_memory();
        self.end_late_handshakes(now);
        self.forget_late(now);
        self.send_due_acks(now);
        self.forwarding.trim();
        self.links.pool().trim();
        self.upkeep.end();
        self.sample_round_trips();
        self.publish();
    }

    /// Publishes how the worker stands, and says it.
    pub(super) fn publish(&self) -> WorkerReport {
        let report = self.report();
        self.shared.publish(self.me, report);
        report
    }

    fn report(&self) -> WorkerReport {
        let now = Instant::now();
        let mut sides = PerSide::new(|side| {
            let mut report = SideReport::default();
            report.count_waits(&self.past_waits[side]);
            report
        });
        for link in self.links.iter() {
            sides[link.role.side()].count(link, now);
        }
        WorkerReport {
            stats: self.stats,
            routing: self.forwarding.router().stats(),
            connections: self.forwarding.router().connections(),
            server_handshakes: self.acceptance.in_progress(Side::Server, false),
            session_handshakes: PerSide::new(|side| self.acceptance.in_progress(side, true)),
            sides,
            allocated_bytes: allocated_bytes(),
            published: Some(now),
            cpu: thread_cpu(),
            busy_permille: self.upkeep.busy_permille(),
        }
    }

    /// Asks the system for the round-trip times of a few links, others each time.
    fn sample_round_trips(&mut self) {
        let slots = self.links.places();
        let mut left = ROUND_TRIPS_PER_SWEEP;
        for _ in 0..SLOTS_SAMPLED.min(slots) {
            let Some(link) = self.links.get(Slot::from_index(self.upkeep.next_sampled(slots))) else { continue };
            if let Some(time) = link.round_trip() {
                self.stats.round_trip(link.role.side(), time);
            }
            left -= 1;
            if left == 0 {
                return;
            }
        }
    }

    /// Takes time in which the worker itself stood still off the link's: what came meanwhile is not read yet.
    fn extend_deadlines(&mut self, slot: Slot, stalled: Duration) {
        let Some(link) = self.links.get_mut(slot) else { return };
        link.watch.last_heard += stalled;
        for since in [&mut link.watch.stuck_since, &mut link.watch.over_since].into_iter().flatten() {
            *since += stalled;
        }
    }

    fn refill_budget(&mut self, slot: Slot, Allowance { more, most }: Allowance) {
        let Some(link) = self.links.get_mut(slot).filter(|link| link.role == Role::Client) else { return };
        let starved = link.watch.allowance == 0;
        link.watch.allowance = link.watch.allowance.saturating_add(more).min(most);
        if starved && more > 0 {
            // Time in which the gateway does not read a link is not idle time.
            link.watch.heard = true;
            link.waits.end(WaitReason::ByteRate);
            link.wake();
        }
    }

    fn examine(&mut self, slot: Slot) -> Option<CloseReason> {
        let now = self.upkeep.swept();
        let link = self.links.get_mut(slot)?;
        let bounds = self.config.side(link.role.side());
        if let State::Closing { deadline, .. } = link.state {
            return (now >= deadline).then_some(CloseReason::Shutdown);
        }
        if let Some(lost) = link.failure_while_unread() {
            return Some(lost.into());
        }
        link.trim();
        let (quiet, stuck) = link.watch_times(now);
        if link.is_interrupted() {
            return None;
        }
        if let Some(timeout) = bounds.idle_timeout {
            if quiet >= timeout {
                return Some(CloseReason::Idle { timeout });
            }
            if stuck >= timeout {
                return Some(CloseReason::Stalled { timeout, waiting_bytes: link.waiting().bytes });
            }
        }
        None
    }
}

impl Core {
    fn has_session(&self, slot: Slot) -> bool {
        self.links.get(slot).is_some_and(|link| link.session().is_some())
    }
}

impl Link {
    /// The error of a link that is not read: nothing else would notice that its peer is gone.
    fn failure_while_unread(&self) -> Option<std::io::Error> {
        if self.pause.is_empty() { None } else { self.failure() }
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
        if let Some((session, ..)) = self.session_parts() {
            session.shrink_after_burst();
            if is_quiet {
                session.trim();
            }
        }
    }

    /// For how long nothing was received, and for how long nothing was accepted of what waits.
    fn watch_times(&mut self, now: Millis) -> (Duration, Duration) {
        let interrupted = self.is_interrupted();
        let unread = !self.pause.is_empty() || interrupted;
        // Answers to its own requests wait until they are acknowledged, though the outbox may be empty.
        let waits = !self.outbox.is_empty() || self.pause.contains(ReadPause::UNREAD_REPLIES);
        let watch = &mut self.watch;
        if std::mem::take(&mut watch.heard) || unread {
            watch.last_heard = now;
        }
        if std::mem::take(&mut watch.progressed) || !waits || interrupted {
            watch.stuck_since = None;
        } else {
            watch.stuck_since.get_or_insert(now);
        }
        (now.since(watch.last_heard), watch.stuck_since.map_or(Duration::ZERO, |since| now.since(since)))
    }
}
