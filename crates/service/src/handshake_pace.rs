//! How much of a worker's time handshakes take.

use std::time::{Duration, Instant};

/// Handshakes of one round, at most: what else waits must not wait for long.
const MOST_AT_ONCE: u128 = 64;
/// Of the time that everything else took, as much more goes to handshakes: a fifth of all.
const OTHERS_TO_HANDSHAKES: u32 = 4;
/// What a handshake is taken to cost before one was computed.
const FIRST_COST: Duration = Duration::from_micros(200);
/// Weight of what is known of the cost so far, against the newest handshake.
const COST_MEMORY: u32 = 7;

/// How many handshakes are computed in a round: so many that they get a fifth of the time while others need all of it,
/// and one in any case. Rounds follow each other at once when nothing else is to be done, so free time is theirs too.
#[derive(Debug)]
pub struct HandshakePace {
    /// What one costs, on average.
    cost: Duration,
    round_began: Instant,
    /// Time that handshakes took since then.
    computed: Duration,
}

impl HandshakePace {
    /// The first round begins.
    pub const fn new(now: Instant) -> Self {
        Self { cost: FIRST_COST, round_began: now, computed: Duration::ZERO }
    }

    /// A handshake was computed in this time.
    pub fn computed(&mut self, time: Duration) {
        self.computed += time;
        self.cost = (self.cost * COST_MEMORY + time) / (COST_MEMORY + 1);
    }

    /// Time until `now` counts for nothing: no handshake waited.
    pub const fn restart(&mut self, now: Instant) {
        self.round_began = now;
        self.computed = Duration::ZERO;
    }

    /// The next round begins. Returns how many handshakes it computes.
    pub fn next_round(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.round_began);
        let others = elapsed.saturating_sub(self.computed);
        self.restart(now);

        let share = others / OTHERS_TO_HANDSHAKES;
        let fitting = share.as_nanos() / self.cost.as_nanos().max(1);
        usize::try_from(fitting.clamp(1, MOST_AT_ONCE)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_micros(100);

    /// A pace that has learnt what a handshake costs, and when its round began.
    fn pace() -> (HandshakePace, Instant) {
        let now = Instant::now();
        let mut pace = HandshakePace::new(now);
        (0..100).for_each(|_| pace.computed(COST));
        pace.restart(now);
        (pace, now)
    }

    #[test]
    fn handshakes_get_a_fifth_of_the_time_of_a_busy_worker() {
        let (mut pace, mut now) = pace();
        let (mut handshakes, mut others) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..100 {
            let links = Duration::from_millis(8);
            now += links;
            others += links;
            for _ in 0..pace.next_round(now) {
                now += COST;
                handshakes += COST;
                pace.computed(COST);
            }
        }
        let percent = handshakes.as_micros() * 100 / (handshakes + others).as_micros();
        assert!((18..=21).contains(&percent), "{percent} %");
    }

    #[test]
    fn one_is_computed_in_any_case_and_64_at_most() {
        for (links, expected) in [(0, 1), (1, 2), (4, 10), (1_000, 64)] {
            let (mut pace, began) = pace();
            assert_eq!(pace.next_round(began + Duration::from_millis(links)), expected, "after {links} ms");
        }
    }

    #[test]
    fn the_time_of_handshakes_earns_none() {
        let (mut pace, began) = pace();
        pace.computed(Duration::from_millis(50));
        assert_eq!(pace.next_round(began + Duration::from_millis(50)), 1);
    }
}
