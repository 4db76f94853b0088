//! Which gateway a link goes to next, and when.

use std::time::Duration;

use rand::seq::IteratorRandom;
use rand::{Rng, RngExt};

use crate::{Backoff, ConnectError, LinkEnd};

/// The gateways that a program may connect to: after each end of a link, and each failed attempt, it says which one is next,
/// and after which pause.
///
/// A gateway that drains (it is about to stop) is left for another one of the list, drawn at random, after a pause that is
/// drawn from the whole of `0..=drain_jitter`: thousands of clients that are told at the same moment come neither at the same
/// moment nor to the same gateway. A drain is no failure, and what failed before it makes no pause longer. Only when all
/// gateways of the list drain, pauses grow as [`Backoff`] has it, on top of the jitter.
///
/// ```no_run
/// use fastway_client::{Client, ClientConfig, Gateways};
/// use std::time::Instant;
///
/// # async fn play(_: &Client) {}
/// # async fn run() {
/// let mut gateways = Gateways::new(["east.example:10010", "west.example:10010"]);
/// loop {
///     match Client::connect(gateways.addr(), ClientConfig::default()).await {
///         Ok(client) => {
///             let since = Instant::now();
///             play(&client).await;
///             gateways.link_ended(&client.closed().await, since.elapsed());
///         }
///         Err(error) => {
///             if !error.is_draining() {
///                 eprintln!("{error}");
///             }
///             gateways.connect_failed(&error);
///         }
///     }
///     gateways.wait().await;
/// }
/// # }
/// ```
///
/// | what happened | next address | pause |
/// |---|---|---|
/// | a link ended in a drain | another one | jitter |
/// | a connect was answered with *draining* | another one | jitter; when all of the list have been left, a back-off besides |
/// | a plain link was ended by the gateway, which has no words for a reason | another one | jitter and back-off |
/// | another end | the same: the network failed, or the gateway has ended this link alone | back-off |
/// | a connect failed | another one | back-off, or what an overloaded gateway says |
#[derive(Clone, Debug)]
pub struct Gateways {
    addrs: Vec<String>,
    /// Index of the address of the next attempt.
    at: usize,
    /// Those that were left since a link has lasted, or ended in a drain.
    left: Vec<bool>,
    backoff: Backoff,
    drain_jitter: Duration,
    next: Step,
}

/// What the next attempt depends on.
#[derive(Clone, Copy, Debug)]
struct Step {
    goes_elsewhere: bool,
    pause: Pause,
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug)]
enum Pause {
    /// For a while that is drawn anew; when all gateways were left, for a back-off besides.
    Jitter,
    /// For both.
    JitterAndBackoff,
    Backoff,
    /// As an overloaded gateway says.
    Overload {
        retry_after: Duration,
    },
}

impl Gateways {
    /// The addresses, `host:port`. The first one is tried first: shuffle them where nothing else spreads the clients. With an
    /// empty list every connect fails, with [`ConnectError::Address`].
    ///
    /// Pauses are those of [`Backoff::default`], and a jitter of up to 1 s after a drain.
    pub fn new(addrs: impl IntoIterator<Item = impl ToString>) -> Self {
        let addrs: Vec<_> = addrs.into_iter().map(|addr| addr.to_string()).collect();
        let left = vec![false; addrs.len()];
        let next = Step { goes_elsewhere: false, pause: Pause::Backoff };
        Self { addrs, at: 0, left, backoff: Backoff::default(), drain_jitter: DRAIN_JITTER, next }
    }

    /// The same with other pauses after failures.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The same with another bound of the pause after a drain.
    #[must_use]
    pub fn with_drain_jitter(mut self, drain_jitter: Duration) -> Self {
        self.drain_jitter = drain_jitter;
        self
    }

    /// The address of the next attempt.
    pub fn addr(&self) -> &str {
        self.addrs.get(self.at).map_or("", String::as_str)
    }

    /// Takes note of how a link to [`Gateways::addr`] has ended, and how long it had lived.
    pub fn link_ended(&mut self, end: &LinkEnd, lived: Duration) {
        self.backoff.after_link(lived);
        if end.is_draining() {
            self.backoff.reset();
        }
        if end.is_draining() || lived > self.backoff.longest() {
            self.left.fill(false);
        }
        self.next = match end {
            end if end.is_draining() => Step { goes_elsewhere: true, pause: Pause::Jitter },
            LinkEnd::Gateway => Step { goes_elsewhere: true, pause: Pause::JitterAndBackoff },
            _ => Step { goes_elsewhere: false, pause: Pause::Backoff },
        };
    }

    /// Takes note of why a connect to [`Gateways::addr`] has failed.
    pub fn connect_failed(&mut self, error: &ConnectError) {
        let pause = match error.retry_after() {
            _ if error.is_draining() => Pause::Jitter,
            Some(retry_after) => Pause::Overload { retry_after },
            None => Pause::Backoff,
        };
        self.next = Step { goes_elsewhere: true, pause };
    }

    /// Goes on to the address of the next attempt, and draws the pause before it from the thread's own random numbers.
    pub fn next_delay(&mut self) -> Duration {
        self.next_delay_from(&mut rand::rng())
    }

    /// Goes on to the address of the next attempt, and draws both from `random`.
    pub fn next_delay_from(&mut self, random: &mut impl Rng) -> Duration {
        let Step { goes_elsewhere, pause } = self.next;
        // Whoever asks without having said what happened waits longer and longer.
        self.next = Step { goes_elsewhere: false, pause: Pause::Backoff };
        let were_all_left = goes_elsewhere && self.go_elsewhere(random);
        match pause {
            Pause::Jitter if !were_all_left => drain_delay(self.drain_jitter, random),
            Pause::Jitter | Pause::JitterAndBackoff => {
                drain_delay(self.drain_jitter, random).saturating_add(self.backoff.next_delay_from(random))
            }
            Pause::Backoff => self.backoff.next_delay_from(random),
            Pause::Overload { retry_after } => self.backoff.after_overload(retry_after),
        }
    }

    /// Goes on to the address of the next attempt, and sleeps for the pause before it.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time enabled.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// Leaves the present address; true when all were left, so that the next ones were asked before.
    fn go_elsewhere(&mut self, random: &mut impl Rng) -> bool {
        if let Some(left) = self.left.get_mut(self.at) {
            *left = true;
        }
        let were_all_left = self.left.iter().all(|&left| left);
        if were_all_left {
            self.left.fill(false);
        }
        let present = self.at;
        let others = (0..).zip(&self.left).filter(|&(at, &left)| !left && at != present);
        self.at = others.map(|(at, _)| at).choose(random).unwrap_or(present);
        were_all_left
    }
}

/// The longest pause after a drain, where nothing else is set.
pub(crate) const DRAIN_JITTER: Duration = Duration::from_secs(1);

/// Draws a pause after a drain, from the whole range. It is never so short that a loop without a pause comes of it.
pub(crate) fn drain_delay(jitter: Duration, random: &mut impl Rng) -> Duration {
    random.random_range(Duration::ZERO..=jitter).max(Backoff::SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GatewayPort;
    use fastway_session::{AbortReason, End, Fault, Status};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use std::collections::BTreeSet;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);
    const JITTER: Duration = Duration::from_secs(1);

    fn drained() -> LinkEnd {
        LinkEnd::SessionLost(End::AbortedByPeer(AbortReason::Shutdown))
    }

    fn refused(status: Status) -> ConnectError {
        let fault = Some(Fault::Refused(status));
        ConnectError::NoSession { port: GatewayPort::Client, fault, retry_after: None }
    }

    fn three() -> (Gateways, SmallRng) {
        (Gateways::new(["a:1", "b:1", "c:1"]), SmallRng::seed_from_u64(7))
    }

    #[test]
    fn clients_that_are_told_of_a_drain_go_to_all_other_gateways_over_the_whole_jitter() {
        let (gateways, mut random) = three();
        let (mut delays, mut to_b) = (Vec::new(), 0);
        for _ in 0..10_000 {
            let mut gateways = gateways.clone();
            gateways.link_ended(&drained(), Duration::ZERO);
            delays.push(gateways.next_delay_from(&mut random));
            assert_ne!(gateways.addr(), "a:1");
            to_b += u32::from(gateways.addr() == "b:1");
        }
        assert!((4_000..6_000).contains(&to_b), "{to_b}");
        assert!(delays.iter().all(|delay| *delay <= JITTER));
        for tenth in 0..10 {
            let from = JITTER / 10 * tenth;
            let within = delays.iter().filter(|&&delay| delay >= from && delay < from + JITTER / 10).count();
            assert!((700..1_300).contains(&within), "{within} in the tenth from {from:?}");
        }
    }

    #[test]
    fn failures_before_a_drain_make_no_pause_longer() {
        let (mut gateways, mut random) = three();
        for _ in 0..10 {
            gateways.connect_failed(&ConnectError::NoRuntime);
            gateways.next_delay_from(&mut random);
        }
        gateways.link_ended(&drained(), Duration::ZERO);
        assert!(gateways.next_delay_from(&mut random) <= JITTER);
        gateways.connect_failed(&ConnectError::NoRuntime);
        assert!(gateways.next_delay_from(&mut random) <= FIRST);
    }

    #[test]
    fn every_other_gateway_is_asked_once_before_pauses_grow_while_all_drain() {
        let (mut gateways, mut random) = three();
        gateways.link_ended(&drained(), LONGEST * 2);
        let mut asked = BTreeSet::from([gateways.addr().to_owned()]);
        for _ in 0..2 {
            assert!(gateways.next_delay_from(&mut random) <= JITTER);
            assert!(asked.insert(gateways.addr().to_owned()), "{asked:?}");
            gateways.connect_failed(&refused(Status::Draining));
        }
        let mut longest = Duration::ZERO;
        for _ in 0..60 {
            longest = longest.max(gateways.next_delay_from(&mut random));
            gateways.connect_failed(&refused(Status::Draining));
        }
        assert!(longest >= LONGEST / 2 && longest <= LONGEST + JITTER, "{longest:?}");
    }

    #[test]
    fn the_only_gateway_is_asked_again_after_jitter_and_a_growing_pause() {
        let mut random = SmallRng::seed_from_u64(7);
        let mut gateways = Gateways::new(["a:1"]).with_drain_jitter(Duration::ZERO);
        gateways.link_ended(&drained(), Duration::ZERO);
        let first = gateways.next_delay_from(&mut random);
        assert!(first >= FIRST / 2 && first <= FIRST * 2, "{first:?}");
        for _ in 0..10 {
            gateways.connect_failed(&refused(Status::Draining));
            gateways.next_delay_from(&mut random);
            assert_eq!(gateways.addr(), "a:1");
        }
        gateways.connect_failed(&refused(Status::Draining));
        assert!(gateways.next_delay_from(&mut random) >= LONGEST / 2);
    }

    #[test]
    fn a_plain_link_that_the_gateway_ends_may_have_drained_and_so_goes_elsewhere() {
        let (mut gateways, mut random) = three();
        gateways.link_ended(&LinkEnd::Gateway, Duration::ZERO);
        gateways.next_delay_from(&mut random);
        assert_ne!(gateways.addr(), "a:1");
        // Nothing says that it has, so links that end at once are no way around the back-off.
        for _ in 0..10 {
            gateways.link_ended(&LinkEnd::Gateway, Duration::ZERO);
            gateways.next_delay_from(&mut random);
        }
        gateways.link_ended(&LinkEnd::Gateway, Duration::ZERO);
        assert!(gateways.next_delay_from(&mut random) >= LONGEST / 2);
    }

    #[test]
    fn a_network_that_fails_is_no_reason_to_leave_the_gateway_and_one_that_is_not_reached_is() {
        let (mut gateways, mut random) = three();
        gateways.link_ended(&LinkEnd::Silent { silent_for: LONGEST }, Duration::ZERO);
        assert!(gateways.next_delay_from(&mut random) <= FIRST);
        assert_eq!(gateways.addr(), "a:1");
        gateways.connect_failed(&refused(Status::Overloaded));
        assert!(gateways.next_delay_from(&mut random) <= FIRST * 2);
        assert_ne!(gateways.addr(), "a:1");
    }

    #[test]
    fn no_settings_make_a_panic_or_a_busy_loop() {
        let mut random = SmallRng::seed_from_u64(7);
        for jitter in [Duration::ZERO, Duration::MAX] {
            let backoff = Backoff::new(Duration::MAX, Duration::MAX);
            let mut gateways = Gateways::new(["a:1", "b:1"]).with_backoff(backoff).with_drain_jitter(jitter);
            for end in [drained(), LinkEnd::Gateway] {
                gateways.link_ended(&end, Duration::ZERO);
                assert!(gateways.next_delay_from(&mut random) >= Backoff::SHORTEST);
            }
        }
    }

    #[test]
    fn an_empty_list_has_no_address() {
        let mut gateways = Gateways::new([""; 0]);
        gateways.link_ended(&drained(), Duration::ZERO);
        gateways.next_delay();
        assert_eq!(gateways.addr(), "");
    }
}
