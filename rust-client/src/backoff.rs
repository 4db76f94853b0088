//! How long to wait before the next attempt.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Growing, jittered delays between attempts to reach a gateway.
///
/// The n-th delay is drawn evenly from the upper half of `first * 2^n`, `longest` at most: thousands of clients that
/// lost the same gateway do not come back in the same moment.
///
/// ```no_run
/// use fastway_client::{Backoff, Client, ClientConfig};
/// use std::time::Instant;
///
/// # async fn play(_: Client) {}
/// # async fn run() {
/// let mut backoff = Backoff::default();
/// loop {
///     match Client::connect("gateway.example:10010", ClientConfig::default()).await {
///         Ok(client) => {
///             let since = Instant::now();
///             play(client).await;
///             backoff.after_link(since.elapsed());
///         }
///         Err(error) => eprintln!("{error}"),
///     }
///     backoff.wait().await;
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// No gateway is tried more often than this, whatever the settings.
    pub(crate) const SHORTEST: Duration = Duration::from_millis(1);

    /// Delays that start below `first` and stay below `longest`; both are at least 1 ms.
    pub fn new(first: Duration, longest: Duration) -> Self {
        let longest = longest.max(Self::SHORTEST);
        let first = first.clamp(Self::SHORTEST, longest);
        Self { first, longest, next: first }
    }

    /// The same delays, but at most `longest`.
    pub(crate) fn capped(&self, longest: Duration) -> Self {
        Self::new(self.first, self.longest.min(longest))
    }

    /// Draws the pause after a gateway has said that it is overloaded, and when to come again: never shorter than that, but
    /// no longer than the longest delay, and up to half of it more, so that not everybody comes back in the same moment.
    pub(crate) fn after_overload(&self, retry_after: Duration) -> Duration {
        up_to_half_longer(retry_after.clamp(Self::SHORTEST, self.longest))
    }

    /// Takes note that a link has lived for `lived`, and is gone. After one that outlived the longest delay, delays start
    /// again with the first.
    ///
    /// A connect alone is no success: a gateway may take every link and drop it at once, and would be tried again and
    /// again without a pause.
    pub fn after_link(&mut self, lived: Duration) {
        if lived > self.longest {
            self.reset();
        }
    }

    /// Starts again with the first delay, for when there is reason to hope: the network is back, or the player asks.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Draws the next delay from the thread's own random numbers.
    pub fn next_delay(&mut self) -> Duration {
        self.next_delay_from(&mut rand::rng())
    }

    /// Draws the next delay from `random`.
    pub fn next_delay_from(&mut self, random: &mut impl Rng) -> Duration {
        let ceiling = self.next;
        self.next = ceiling.saturating_mul(2).min(self.longest);
        let half = ceiling / 2;
        half + half.mul_f64(random.random_range(0.0..=1.0))
    }

    /// Sleeps for the next delay. A wait that is dropped has used up its delay.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time enabled.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// The longest delay.
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

/// Draws a delay that is never shorter than `least`.
pub(crate) fn up_to_half_longer(least: Duration) -> Duration {
    least + least.mul_f64(rand::rng().random_range(0.0..=0.5))
}

impl Default for Backoff {
    /// From 100 ms to 10 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn delays_double_up_to_the_longest_and_stay_in_the_upper_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let random = &mut SmallRng::seed_from_u64(7);
        for ceiling in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            let delay = backoff.next_delay_from(random);
            assert!(delay >= ceiling / 2 && delay <= ceiling, "{delay:?} below {ceiling:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay_from(random) <= Duration::from_millis(100));
    }

    #[test]
    fn only_a_link_that_outlived_the_longest_delay_starts_the_delays_again() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for _ in 0..10 {
            backoff.after_link(longest);
            backoff.next_delay();
        }
        assert!(backoff.next_delay() >= longest / 2);
        backoff.after_link(longest + Duration::from_millis(1));
        assert!(backoff.next_delay() <= first);
    }

    #[test]
    fn no_settings_make_a_busy_loop() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.next_delay() >= Backoff::SHORTEST / 2);
        let mut backoff = Backoff::new(Duration::ZERO, Duration::from_secs(1));
        assert!((0..12).any(|_| backoff.next_delay() >= Duration::from_millis(500)));
    }

    #[test]
    fn no_two_clients_wait_the_same_time() {
        let random = &mut SmallRng::seed_from_u64(7);
        let mut delays: Vec<_> = (0..100).map(|_| Backoff::default().next_delay_from(random)).collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 90);
    }
}
