//! The sweep: a walk over all links, a few times a second, that finds those that are idle, stuck or slow.
//!
//! The data path only sets flags; it never reads a clock and arms no timer. So a limit is kept to within one or two
//! sweeps, and never early.

use std::time::{Duration, Instant};

use fastway_service::clock::Millis;

use super::core::Core;
use super::load::thread_cpu;
use super::report::{SideReport, WorkerReport, allocated_bytes};
use crate::config::Config;
use crate::link::{CloseReason, Link, ReadPause, State, WaitReason};
use crate::routing::{PerSide, Role, Side, Slot};

/// A limit is checked this many times while it runs.
const SWEEPS_PER_LIMIT: u32 = 10;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// Links of which a sweep asks for the round-trip time: a system call for each.
const ROUND_TRIPS_PER_SWEEP: usize = 8;
/// Places that it looks at for them.
const SLOTS_SAMPLED: usize = 256;

/// Time between sweeps, short enough for the shortest limit.
pub(super) fn interval(config: &Config) -> Duration {
    let limits = [Some(config.settings.client_slow_grace), Some(config.settings.shutdown_grace)];
    let timeouts = [config.settings.client.idle_timeout, config.settings.server.idle_timeout];
    let rate = config.settings.limits.max_bytes_per_second.map(|_| Duration::from_secs(1));
    let sessions =
        [&config.settings.client, &config.settings.server].into_iter().filter(|side| side.kinds.with_sessions());
    let sessions = sessions.flat_map(|side| [side.session.handshake_time, Some(side.session.wait)]);
    let all = limits.into_iter().chain(timeouts).chain([rate]).chain(sessions);
    let shortest = all.flatten().min().unwrap_or(LONGEST_INTERVAL);
    (shortest / SWEEPS_PER_LIMIT).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

impl Core {
    /// Looks at every link once.
    pub(super) fn sweep(&mut self) {
        self.shared.heartbeats.answered(self.me);
        let now = Instant::now();
        self.now = self.at(now);
        let elapsed = self.now.since(std::mem::replace(&mut self.swept, self.now));
        self.load.measure(elapsed);
        let allowance = self.next_allowance(elapsed);
        let lost = elapsed.saturating_sub(2 * interval(&self.config));
        for index in 0..self.links.capacity() {
            let slot = Slot::from_index(index);
            if !lost.is_zero() {
                self.extend_deadlines(slot, lost);
            }
            if let Some(allowance) = allowance {
                self.refill_budget(slot, allowance);
            }
            if let Some(link) = self.links.get_mut(index) {
                link.look_at_held(elapsed.saturating_sub(lost));
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
        self.end_late_handshakes();
        self.forget_late(now);
        self.trim_batches();
        self.pool.trim();
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
        for (_, link) in &self.links {
            sides[link.role.side()].count(link, now);
        }
        WorkerReport {
            stats: self.stats,
            routing: self.router.stats(),
            connections: self.router.connections(),
            server_handshakes: self.pending_handshakes(Side::Server, false),
            session_handshakes: PerSide::new(|side| self.pending_handshakes(side, true)),
            sides,
            allocated_bytes: allocated_bytes(),
            published: Some(now),
            cpu: thread_cpu(),
            busy_permille: self.load.busy_permille(),
        }
    }

    /// Handshakes in progress on a port, if it is one with sessions, or one without.
    fn pending_handshakes(&self, side: Side, with_sessions: bool) -> usize {
        match self.has_sessions(side) == with_sessions {
            true => self.pending[side].len(),
            false => 0,
        }
    }

    /// Asks the system for the round-trip times of a few links, others each time.
    fn sample_round_trips(&mut self) {
        let slots = self.links.capacity();
        let mut left = ROUND_TRIPS_PER_SWEEP;
        for _ in 0..SLOTS_SAMPLED.min(slots) {
            self.sampled = (self.sampled + 1) % slots;
            let Some(link) = self.links.get(self.sampled) else { continue };
            if let Some(time) = link.round_trip() {
                self.stats.round_trip(link.role.side(), time);
            }
            left -= 1;
            if left == 0 {
                return;
            }
        }
    }

    /// Bytes that a client may send until the next sweep, and the most that it may save up.
    fn next_allowance(&mut self, elapsed: Duration) -> Option<(u64, u64)> {
        let per_second = self.config.settings.limits.max_bytes_per_second?;
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let earned = per_second.saturating_mul(millis).saturating_add(self.allowance_rest);
        // The remainder counts in the next sweep: a low rate must not be rounded down to nothing.
        self.allowance_rest = earned % 1000;
        Some((earned / 1000, per_second))
    }

    /// Takes time in which the worker itself stood still off the link's: what came meanwhile is not read yet.
    fn extend_deadlines(&mut self, slot: Slot, lost: Duration) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        link.watch.last_heard += lost;
        for since in [&mut link.watch.stuck_since, &mut link.watch.over_since].into_iter().flatten() {
            *since += lost;
        }
    }

    fn refill_budget(&mut self, slot: Slot, (more, most): (u64, u64)) {
        let Some(link) = self.links.get_mut(slot.index()).filter(|link| link.role == Role::Client) else { return };
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
        let now = self.now;
        let link = self.links.get_mut(slot.index())?;
        let bounds = self.config.settings.side(link.role.side());
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
        self.links.get(slot.index()).is_some_and(|link| link.session().is_some())
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
