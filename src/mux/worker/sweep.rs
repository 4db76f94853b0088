//! The sweep: a walk over all links, a few times a second, that finds those that are idle, stuck or slow.
//!
//! The data path only sets flags; it never reads a clock and arms no timer. So a limit is kept to within one or two
//! sweeps, and never early.

use super::core::Core;
use super::load::thread_cpu;
use super::report::{WorkerReport, allocated_bytes};
use crate::mux::link::sweep::Sweep;
use crate::mux::routing::{PerSide, Side, Slot};

/// Links of which a sweep asks for the round-trip time: a system call for each.
const ROUND_TRIPS_PER_SWEEP: usize = 8;
/// Places that it looks at for them.
const SLOTS_SAMPLED: usize = 256;

impl Core {
    /// Looks at every link once.
    pub(super) fn sweep(&mut self) {
        self.shared.heartbeats.answered(self.me);
        self.clock.restart();
        let sweep = self.upkeep.begin(self.clock.millis(), thread_cpu());
        self.clock.count_until(self.upkeep.counted_until());
        for slot in self.links.slots() {
            self.sweep_link(slot, &sweep);
        }

        self.share_out_memory();
        self.end_late_handshakes(self.clock.now());
        self.forget_late(self.clock.now());
        self.forwarding.trim();
        self.links.pool().trim();
        self.sample_round_trips();
        self.publish();
    }

    fn sweep_link(&mut self, slot: Slot, sweep: &Sweep) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let idle_timeout = self.settings.side(link.role.side()).idle_timeout;
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
        // The counts are those of now, not of when the turn began.
        let now = self.clock.read();
        WorkerReport {
            stats: self.counters.stats(),
            routing: self.forwarding.router().stats(),
            connections: self.forwarding.router().connections(),
            server_handshakes: self.acceptance.in_progress(Side::Server, false),
            session_handshakes: PerSide::new(|side| self.acceptance.in_progress(side, true)),
            sides: self.counters.describe(self.links.iter(), now),
            allocated_bytes: allocated_bytes(),
            published: Some(now),
            cpu: thread_cpu(),
            busy_permille: self.upkeep.busy_permille(),
            longest_upkeep: self.upkeep.longest(),
        }
    }

    /// Asks the system for the round-trip times of a few links, others each time.
    fn sample_round_trips(&mut self) {
        let places = self.links.places();
        let mut left = ROUND_TRIPS_PER_SWEEP;
        for _ in 0..SLOTS_SAMPLED.min(places) {
            let sampled = Slot::from_index(self.upkeep.next_sampled(places));
            let Some(link) = self.links.get(sampled) else { continue };
            if let Some(time) = link.round_trip() {
                self.counters.round_trip(link.role.side(), time);
            }
            left -= 1;
            if left == 0 {
                return;
            }
        }
    }
}
