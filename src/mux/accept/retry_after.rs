//! When peers may come again that were refused as overloaded (`docs/protocol.md` §3.4).

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

/// Longest time that a peer is told; much later, nothing is known of the queue.
const LONGEST: Duration = Duration::from_secs(10);
/// Shortest such time: the way to the gateway and back, and a little.
const SHORTEST: Duration = Duration::from_millis(50);
/// What a peer is told where a bound on links is reached: a place gets free when somebody leaves, and nobody knows when.
const WHEN_FULL: Duration = Duration::from_secs(5);
/// Turns are counted for so long before their pace is taken.
const MEASURED: Duration = Duration::from_millis(100);
/// The pace before one was measured.
const FIRST_TIME_PER_TURN: Duration = Duration::from_millis(1);
/// Of the time that a peer is told, up to so much is added at random: a herd shall not come back at once.
const JITTER: f64 = 0.5;

/// The times at which those may come again who got no turn: as if they waited behind those who wait, and behind each other,
/// at the pace at which turns are given.
#[derive(Debug)]
pub(crate) struct RetryTimes {
    time_per_turn: Duration,
    /// Turns that were given since a moment, while somebody waited.
    turns: u32,
    since: Instant,
    /// When the next one who is refused should be here again.
    next: Instant,
}

impl RetryTimes {
    /// Nothing is known of the pace.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { time_per_turn: FIRST_TIME_PER_TURN, turns: 0, since: now, next: now }
    }

    /// Time until `now` says nothing of the pace: nobody waited.
    pub(crate) const fn restart(&mut self, now: Instant) {
        self.turns = 0;
        self.since = now;
    }

    /// A turn was given.
    pub(crate) fn turn_given(&mut self, now: Instant) {
        self.turns += 1;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= MEASURED {
            self.time_per_turn = elapsed / self.turns;
            self.restart(now);
        }
    }

    /// When one may come again who got no turn while so many wait for theirs; at most `longest` from now.
    pub(crate) fn next(&mut self, waiting: usize, longest: Duration, now: Instant, random: &mut impl Rng) -> Duration {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let behind_those = now + self.time_per_turn.saturating_mul(waiting).clamp(SHORTEST, LONGEST);
        let longest = longest.min(LONGEST).div_f64(1.0 + JITTER);
        let at = self.next.max(behind_those).min(now + longest);
        self.next = at + self.time_per_turn;
        jittered(at.saturating_duration_since(now), random)
    }
}

/// When one may come again whom a bound on links keeps out.
pub(crate) fn when_full(random: &mut impl Rng) -> Duration {
    jittered(WHEN_FULL, random)
}

fn jittered(time: Duration, random: &mut impl Rng) -> Duration {
    time + time.mul_f64(random.random_range(0.0..=JITTER))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Times of which a turn was given every `per_turn`, and now.
    fn measured(per_turn: Duration) -> (RetryTimes, Instant) {
        let mut now = Instant::now();
        let mut times = RetryTimes::new(now);
        for _ in 0..1000 {
            now += per_turn;
            times.turn_given(now);
        }
        (times, now)
    }

    #[test]
    fn whoever_gets_no_turn_comes_again_behind_those_who_wait_and_behind_each_other() {
        let random = &mut SmallRng::seed_from_u64(1);
        for per_turn in [5, 250].map(millis) {
            let (mut times, now) = measured(per_turn);
            for refused in 0..10 {
                let least = per_turn * (10 + refused);
                let told = times.next(10, MINUTE, now, random);
                assert!(told >= least && told <= least.mul_f64(1.0 + JITTER), "{refused}: {told:?}, {least:?}");
            }
        }
    }

    #[test]
    fn nobody_is_sent_away_for_longer_than_a_bound_and_a_herd_does_not_come_back_at_once() {
        let random = &mut SmallRng::seed_from_u64(1);
        for (bound, longest) in [(MINUTE, LONGEST), (millis(500), millis(500))] {
            let (mut times, now) = measured(Duration::from_secs(5));
            let mut told: Vec<_> = (0..100).map(|_| times.next(1000, bound, now, random)).collect();
            assert!(told.iter().all(|told| *told >= longest / 2 && *told <= longest), "{told:?}");
            told.sort();
            told.dedup();
            assert!(told.len() > 90);
        }
    }

    #[test]
    fn nobody_is_told_to_come_again_at_once() {
        let (mut times, now) = measured(Duration::from_micros(100));
        assert!(times.next(0, MINUTE, now, &mut SmallRng::seed_from_u64(1)) >= SHORTEST);
    }

    #[test]
    fn time_without_anybody_who_waits_does_not_count() {
        let (mut times, now) = measured(millis(5));
        times.restart(now + MINUTE);
        times.turn_given(now + MINUTE + millis(1));
        assert_eq!(times.time_per_turn, millis(5));
    }

    #[test]
    fn those_who_were_told_to_come_later_hold_nobody_up_when_their_time_is_over() {
        let random = &mut SmallRng::seed_from_u64(1);
        let (mut times, now) = measured(millis(5));
        let told: Vec<_> = (0..=1000).map(|_| times.next(10, MINUTE, now, random)).collect();
        assert!(told.last() >= Some(&Duration::from_secs(4)), "{told:?}");
        assert!(times.next(10, MINUTE, now + LONGEST, random) <= millis(75));
    }
}
