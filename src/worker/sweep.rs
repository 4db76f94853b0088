//! The sweep: a walk over all links, a few times a second, that finds those that are idle, stuck or slow.
//!
//! The data path only sets flags; it never reads a clock and arms no timer. So a limit is kept to within one or two
//! sweeps, and never early.

use std::time::{Duration, Instant};

use super::core::Core;
use super::load::thread_cpu;
use super::report::{SideReport, WorkerReport, allocated_bytes};
use crate::config::Config;
use crate::link::sweep::Sweep;
use crate::link::watch::ByteBudget;
use crate::routing::{PerSide, Side, Slot};

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
    let limits = [Some(config.client_slow_grace), Some(config.shutdown_grace)];
    let timeouts = [config.client.idle_timeout, config.server.idle_timeout];
    let rate = config.limits.max_bytes_per_second.map(|_| Duration::from_secs(1));
    let sessions = [&config.client, &config.server].into_iter().filter(|side| side.kinds.with_sessions());
    let sessions = sessions.flat_map(|side| [side.session.handshake_time, Some(side.session.wait)]);
    let all = limits.into_iter().chain(timeouts).chain([rate]).chain(sessions);
    let shortest = all.flatten().min().unwrap_or(LONGEST_INTERVAL);
    (shortest / SWEEPS_PER_LIMIT).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

impl Core {
    /// Looks at every link once.
    pub(super) fn sweep(&mut self) {
        self.shared.heartbeats.answered(self.me);
        self.clock.restart();
        self.now = self.clock.millis();
        let elapsed = self.now.since(std::mem::replace(&mut self.swept, self.now));
        self.load.measure(elapsed);
        let budget = self.next_budget(elapsed);
        let lost = elapsed.saturating_sub(2 * interval(&self.config));
        let sweep = Sweep { now: self.now, elapsed, lost, budget };
        for index in 0..self.links.capacity() {
            self.sweep_link(Slot::from_index(index), &sweep);
        }

        self.share_out_memory();
        self.end_late_handshakes();
        self.forget_late(self.clock.now());
        self.trim_batches();
        self.pool.trim();
        self.sample_round_trips();
        self.publish();
    }

    fn sweep_link(&mut self, slot: Slot, sweep: &Sweep) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let idle_timeout = self.config.side(link.role.side()).idle_timeout;
        match link.swept(sweep, idle_timeout, &self.clock) {
            Some(reason) => {
                self.count_undelivered(slot);
                self.close(slot, &reason);
            }
            None => self.after_io(slot),
        }
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

    /// What clients may send until the next sweep, if that is limited.
    fn next_budget(&mut self, elapsed: Duration) -> Option<ByteBudget> {
        let per_second = self.config.limits.max_bytes_per_second?;
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let earned = per_second.saturating_mul(millis).saturating_add(self.allowance_rest);
        // The remainder counts in the next sweep: a low rate must not be rounded down to nothing.
        self.allowance_rest = earned % 1000;
        Some(ByteBudget { more: earned / 1000, most: per_second })
    }
}
