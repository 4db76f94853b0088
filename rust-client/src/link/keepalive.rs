//! Pings, and the detection of a gateway that is gone without a word.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// The clock of a link.
#[derive(Debug)]
pub(super) struct Keepalive {
    ticks: Option<Interval>,
    dead_after: Option<Duration>,
    silent_for: Duration,
}

/// What a tick asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Send a ping.
    Ping,
    /// Give the link up.
    Dead { silent_for: Duration },
}

impl Keepalive {
    pub(super) fn new(interval: Option<Duration>, dead_after: Option<Duration>) -> Self {
        let ticks = interval.filter(|interval| !interval.is_zero()).and_then(|interval| {
            // A first tick beyond the end of time is none.
            let first = tokio::time::Instant::now().checked_add(interval)?;
            let mut ticks = tokio::time::interval_at(first, interval);
            // After a stall, one ping is enough; and ticks in a row would count a stall of ours as the gateway's.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Some(ticks)
        });
        Self { ticks, dead_after, silent_for: Duration::ZERO }
    }

    /// The gateway has sent something, or nobody listened.
    pub(super) fn heard(&mut self) {
        self.silent_for = Duration::ZERO;
    }

    pub(super) fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Tick> {
        let Some(ticks) = &mut self.ticks else { return Poll::Pending };
        ready!(ticks.poll_tick(cx));
        let silent_for = self.silent_for;
        if self.dead_after.is_some_and(|limit| silent_for >= limit) {
            return Poll::Ready(Tick::Dead { silent_for });
        }
        self.silent_for += ticks.period();
        Poll::Ready(Tick::Ping)
    }
}
