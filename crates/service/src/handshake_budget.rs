//! A bound on what handshakes may cost.

use std::time::{Duration, Instant};

/// Time for the Diffie-Hellmans of handshakes, as a number of handshakes in a second.
#[derive(Debug)]
pub struct HandshakeBudget {
    /// What one handshake takes from the credit; `None`: more than there will ever be.
    cost: Option<Duration>,
    /// Time that may be spent, if a second is there for all handshakes of a second.
    credit: Duration,
    credit_at: Instant,
}

impl HandshakeBudget {
    /// What may be spent at once, after a time without handshakes; always as much as one costs.
    const BURST: Duration = Duration::from_millis(100);

    /// Allows `per_second` handshakes in a second, on average; a tenth of a second's may come at once, and always one.
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self { cost: Duration::from_secs(1).checked_div(per_second), credit: Duration::MAX, credit_at: now }
    }

    /// Whether there is time for a handshake now; if so, it is spent.
    pub fn afford(&mut self, now: Instant) -> bool {
        let Some(cost) = self.cost else { return false };
        let earned = now.saturating_duration_since(self.credit_at);
        self.credit_at = self.credit_at.max(now);
        self.credit = self.credit.saturating_add(earned).min(Self::BURST.max(cost));

        let left = self.credit.checked_sub(cost);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }

    /// The handshake for which there was time is not computed after all.
    pub fn give_back(&mut self) {
        let cost = self.cost.unwrap_or_default();
        self.credit = self.credit.saturating_add(cost).min(Self::BURST.max(cost));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_computed_in_a_second() {
        let now = Instant::now();
        let mut budget = HandshakeBudget::new(50, now);
        let afforded = (0..4000).filter(|tick| budget.afford(now + Duration::from_millis(*tick))).count();
        assert!((200..=205).contains(&afforded), "{afforded} in four seconds");
        assert!(!budget.afford(now), "time that went back earns nothing");
        assert!(!HandshakeBudget::new(0, now).afford(now));
    }

    #[test]
    fn few_in_a_second_are_as_many_as_are_asked_for() {
        for per_second in 1..=20 {
            let now = Instant::now();
            let mut budget = HandshakeBudget::new(per_second, now);
            assert!(budget.afford(now), "{per_second} in a second");
            let afforded = (1..=10_000).filter(|tick| budget.afford(now + Duration::from_millis(*tick))).count();
            let expected = 10 * per_second as usize;
            assert!((expected - 1..=expected + 1).contains(&afforded), "{per_second} in a second, {afforded} in ten");
        }
    }
}
