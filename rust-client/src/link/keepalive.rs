//! Pings, and the detection of a silent gateway (`docs/protocol.md` §1.6).

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The interval of pings, and the silence after which the gateway counts as dead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepaliveConfig {
    /// Longest time between two pings.
    pub(crate) ping_interval: Duration,
    /// How often the received bytes are checked, at most the ping interval. If nothing came since the last check, the
    /// gateway is pinged.
    pub(crate) look_interval: Duration,
    /// The silence after which the gateway counts as dead; `None`: never.
    pub(crate) dead_after: Option<Duration>,
}

/// The clock of a link. It counts in whole looks, so reading needs no clock.
#[derive(Debug)]
pub(super) struct Keepalive {
    looks: Option<Interval>,
    ping_interval: Duration,
    dead_after: Option<Duration>,
    /// In whole looks.
    silent_for: Duration,
    /// Time since the last ping, in whole looks.
    unpinged_for: Duration,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Send a ping.
    Ping,
    /// End the link.
    Dead { silent_for: Duration },
}

impl Keepalive {
    pub(super) fn new(config: Option<KeepaliveConfig>) -> Self {
        let looks = config.and_then(|KeepaliveConfig { look_interval, .. }| {
            // A first look beyond the end of time never comes.
            let first = Instant::now().checked_add(look_interval)?;
            let mut looks = tokio::time::interval_at(first, look_interval);
            // After a stall of this process one ping is enough, and looks in quick succession would count the stall as
            // the gateway's.
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Some(looks)
        });

        let ping_interval = config.map_or(Duration::MAX, |config| config.ping_interval);
        let dead_after = config.and_then(|config| config.dead_after);
        Self { looks, ping_interval, dead_after, silent_for: Duration::ZERO, unpinged_for: Duration::ZERO }
    }

    /// Whether the link is pinged at all.
    pub(super) fn is_on(&self) -> bool {
        self.looks.is_some()
    }

    /// The gateway has sent something, or the link was not read.
    pub(super) fn heard(&mut self) {
        self.silent_for = Duration::ZERO;
    }

    /// A ping was sent.
    pub(super) fn pinged(&mut self) {
        self.unpinged_for = Duration::ZERO;
    }

    pub(super) fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Tick> {
        let Some(looks) = &mut self.looks else { return Poll::Pending };
        loop {
            ready!(looks.poll_tick(cx));

            let silent_for = self.silent_for;
            if self.dead_after.is_some_and(|limit| silent_for >= limit) {
                return Poll::Ready(Tick::Dead { silent_for });
            }

            self.silent_for += looks.period();
            self.unpinged_for += looks.period();
            if !silent_for.is_zero() || self.unpinged_for >= self.ping_interval {
                return Poll::Ready(Tick::Ping);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn keepalive(ping_interval: u64, look_interval: u64, dead_after: Option<u64>) -> Keepalive {
        let [ping_interval, look_interval] = [ping_interval, look_interval].map(millis);
        Keepalive::new(Some(KeepaliveConfig { ping_interval, look_interval, dead_after: dead_after.map(millis) }))
    }

    /// The next tick, after how many milliseconds.
    async fn next(keepalive: &mut Keepalive) -> (Tick, u128) {
        let before = Instant::now();
        let tick = poll_fn(|cx| keepalive.poll_tick(cx)).await;
        if tick == Tick::Ping {
            keepalive.pinged();
        }
        (tick, before.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_gateway_is_pinged_at_the_second_look_and_gone_at_the_next() {
        let mut keepalive = keepalive(10_000, 500, Some(1000));
        assert_eq!(next(&mut keepalive).await, (Tick::Ping, 1000));
        assert_eq!(next(&mut keepalive).await, (Tick::Dead { silent_for: millis(1000) }, 500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_is_heard_from_look_to_look_is_pinged_once_in_an_interval() {
        let mut keepalive = keepalive(2000, 500, Some(1000));
        let mut looks = tokio::time::interval(millis(499));
        let tick = loop {
            tokio::select! {
                tick = next(&mut keepalive) => break tick,
                _ = looks.tick() => keepalive.heard(),
            }
        };
        assert_eq!(tick.0, Tick::Ping);
        assert_eq!(keepalive.silent_for, millis(500), "it was heard before the last look");
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_looked_at_when_it_is_pinged_is_pinged_each_time() {
        let mut keepalive = keepalive(1000, 1000, None);
        for _ in 0..5 {
            assert_eq!(next(&mut keepalive).await, (Tick::Ping, 1000));
            keepalive.heard();
        }
    }
}
