//! What a worker's sweeps remember from one to the next: the time of the last one, and what was left over by it.
//!
//! Time comes as an argument. The walk over the links stands above, in `sweep`.

use std::time::Duration;

use fastway_service::clock::Millis;

use super::load::ThreadLoad;
use crate::mux::config::Settings;
use crate::mux::link::sweep::Sweep;
use crate::mux::link::watch::ByteBudget;
use crate::mux::routing::Side;

/// A limit is checked this many times while it runs.
const SWEEPS_PER_LIMIT: u32 = 10;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// Time between sweeps, short enough for the shortest limit.
pub(super) fn interval(settings: &Settings) -> Duration {
    let limits = [Some(settings.client_slow_grace), Some(settings.shutdown_grace)];
    let timeouts = [settings.client.idle_timeout, settings.server.idle_timeout];
    let rate = settings.limits.max_bytes_per_second.map(|_| Duration::from_secs(1));
    let sessions = Side::ALL.into_iter().filter(|side| settings.side(*side).kinds.with_sessions());
    let sessions = sessions.map(|side| settings.side(side).session);
    let sessions = sessions.flat_map(|session| [session.handshake_time, Some(session.wait)]);

    let all = limits.into_iter().chain(timeouts).chain([rate]).chain(sessions);
    let shortest = all.flatten().min().unwrap_or(LONGEST_INTERVAL);
    (shortest / SWEEPS_PER_LIMIT).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

/// What the sweeps of a worker do that is about no single link.
#[derive(Debug)]
pub(super) struct Upkeep {
    interval: Duration,
    /// Bytes that a client may send in a second, if that is limited.
    byte_rate: Option<u64>,
    /// Time of the last sweep.
    swept: Millis,
    load: ThreadLoad,
    /// The longest time that went by for it at a stretch.
    longest: Duration,
    /// The place whose link was asked last for its round-trip time.
    sampled: usize,
    /// Thousandths of a byte that the last sweep did not allow any client yet.
    allowance_rest: u64,
}

impl Upkeep {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            interval: interval(settings),
            byte_rate: settings.limits.max_bytes_per_second,
            swept: Millis::default(),
            load: ThreadLoad::default(),
            longest: Duration::ZERO,
            sampled: 0,
            allowance_rest: 0,
        }
    }

    /// Has new settings hold from the next sweep on.
    pub(super) fn apply(&mut self, settings: &Settings) {
        self.interval = interval(settings);
        self.byte_rate = settings.limits.max_bytes_per_second;
    }

    /// Time of the last sweep.
    pub(super) fn swept(&self) -> Millis {
        self.swept
    }

    /// A sweep begins, with this much CPU time used by the thread so far.
    pub(super) fn begin(&mut self, now: Millis, cpu: Duration) -> Sweep {
        let (elapsed, lost) = (now.since(self.swept), now.since(self.counted_until()));
        self.swept = now;
        self.load.measure(elapsed, cpu);
        Sweep { now, elapsed, lost, budget: self.next_budget(elapsed) }
    }

    /// Until when time counts, unless there is a sweep before: what is beyond that will be time in which the worker was stalled.
    pub(super) fn counted_until(&self) -> Millis {
        self.swept + 2 * self.interval
    }

    /// The worker has spent so much time at a stretch on other things than frames.
    pub(super) fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    /// The longest such time.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    fn next_budget(&mut self, elapsed: Duration) -> Option<ByteBudget> {
        let most = self.byte_rate?;
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let earned = most.saturating_mul(millis).saturating_add(self.allowance_rest);
        // The remainder counts in the next sweep: a low rate must not be rounded down to nothing.
        self.allowance_rest = earned % 1000;
        Some(ByteBudget { more: earned / 1000, most })
    }

    /// The next of so many places whose link is asked for its round-trip time.
    pub(super) fn next_sampled(&mut self, places: usize) -> usize {
        self.sampled = (self.sampled + 1) % places.max(1);
        self.sampled
    }

    /// The share of the time between the last two sweeps in which the thread was on a processor.
    pub(super) fn busy_permille(&self) -> u32 {
        self.load.busy_permille()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(time: u64) -> Millis {
        Millis::default() + millis(time)
    }

    /// What sweeps at these milliseconds do.
    fn sweeps<const N: usize>(settings: &Settings, times: [u64; N]) -> [Sweep; N] {
        let mut upkeep = Upkeep::new(settings);
        times.map(|time| upkeep.begin(at(time), Duration::ZERO))
    }

    fn with_byte_rate(per_second: u64) -> Settings {
        let mut settings = Settings::default();
        settings.limits.max_bytes_per_second = Some(per_second);
        settings
    }

    #[test]
    fn the_shortest_limit_is_checked_ten_times_while_it_runs() {
        let with_limit = |limit: &dyn Fn(&mut Settings)| {
            let hour = 3600 * millis(1000);
            let mut settings = Settings { client_slow_grace: hour, shutdown_grace: hour, ..Settings::default() };
            (settings.client.idle_timeout, settings.server.idle_timeout) = (None, None);
            limit(&mut settings);
            interval(&settings)
        };
        for (limit, expected) in [
            (&(|_: &mut Settings| {}) as &dyn Fn(&mut Settings), LONGEST_INTERVAL),
            (&|settings: &mut Settings| settings.client_slow_grace = millis(700), millis(70)),
            (&|settings: &mut Settings| settings.server.idle_timeout = Some(millis(400)), millis(40)),
            (&|settings: &mut Settings| settings.limits.max_bytes_per_second = Some(1), millis(100)),
            (&|settings: &mut Settings| settings.shutdown_grace = millis(1), SHORTEST_INTERVAL),
        ] {
            assert_eq!(with_limit(limit), expected);
        }
    }

    #[test]
    fn time_beyond_two_intervals_is_time_in_which_the_worker_was_stalled() {
        let settings = with_byte_rate(1);
        assert_eq!(interval(&settings), millis(100));
        let times = sweeps(&settings, [100, 300, 800]).map(|sweep| (sweep.elapsed, sweep.lost));
        assert_eq!(times, [(100, 0), (200, 0), (500, 300)].map(|(elapsed, lost)| (millis(elapsed), millis(lost))));
    }

    #[test]
    fn time_counts_until_two_intervals_after_a_sweep() {
        let mut upkeep = Upkeep::new(&with_byte_rate(1));
        assert_eq!(upkeep.counted_until(), at(200));
        upkeep.begin(at(1000), Duration::ZERO);
        assert_eq!(upkeep.counted_until(), at(1200));
    }

    #[test]
    fn a_low_byte_rate_is_not_rounded_down_to_nothing() {
        let allowed = sweeps(&with_byte_rate(3), [100, 200, 300, 400, 1400]).map(|sweep| sweep.budget.unwrap());
        assert_eq!(allowed.map(|allowance| allowance.more), [0, 0, 0, 1, 3]);
        assert!(allowed.iter().all(|allowance| allowance.most == 3));
        assert_eq!(sweeps(&Settings::default(), [100])[0].budget, None);
    }

    #[test]
    fn places_are_sampled_in_rotation_and_those_that_are_new_come_in() {
        let mut upkeep = Upkeep::new(&Settings::default());
        let sampled = [3, 3, 3, 3, 5, 5, 5, 5, 1, 0].map(|places| upkeep.next_sampled(places));
        assert_eq!(sampled, [1, 2, 0, 1, 2, 3, 4, 0, 0, 0]);
    }

    #[test]
    fn the_load_is_the_cpu_time_between_two_sweeps() {
        let mut upkeep = Upkeep::new(&Settings::default());
        for (time, cpu, busy) in [(100, 50, 500), (200, 60, 100), (200, 70, 100), (300, 70, 0)] {
            upkeep.begin(at(time), millis(cpu));
            assert_eq!(upkeep.busy_permille(), busy, "at {time} ms");
        }
    }
}
