//! What waits for a link, held against its bounds: one function says what follows from it.
//!
//! ```text
//!   fed ───────────────▶ above a bound: a server's sources are paused, a client's stopwatch runs
//!   flush, ack, resume ▶ at half of it, or below: the sources go on, the link is read again
//!   time ──────────────▶ a client that stays above is too slow; far above, it is at once
//! ```
//!
//! Nothing here knows a socket or reads a clock. Whoever changes how much waits asks again: see `Link::after_io`.

use std::time::Duration;

use fastway_admin::observe::Waiting;
use fastway_service::clock::Millis;

use crate::mux::config::{CLIENT_SHARE, Settings, SideConfig};
use crate::mux::routing::Side;

/// How many times its bound on bytes may wait for a client before it is closed without any grace.
const HARD_BOUND: usize = 16;

/// Why a link is not read: a set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadPause(u8);

impl ReadPause {
    /// Something that it feeds has no room.
    pub(crate) const BACKPRESSURE: Self = Self(1);
    /// Its peer does not take the answers to its own requests.
    pub(crate) const UNREAD_REPLIES: Self = Self(1 << 1);

    /// Whether there is no reason: the link is read.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is one of the reasons.
    #[inline]
    pub(crate) const fn contains(self, reason: Self) -> bool {
        self.0 & reason.0 == reason.0
    }

    /// Adds a reason, or takes it away.
    #[inline]
    pub(crate) const fn set(&mut self, reason: Self, holds: bool) {
        self.0 = if holds { self.0 | reason.0 } else { self.0 & !reason.0 };
    }
}

/// How much may wait for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Packets.
    pub packets: usize,
    /// Bytes, those that are sent and not acknowledged included.
    pub bytes: usize,
    /// When more makes a client too slow. `None`: a server, whose sources wait instead.
    pub slow: Option<SlowBounds>,
}

/// When a client for which more waits than its bounds is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlowBounds {
    /// When more has waited for longer than this.
    pub grace: Duration,
    /// When more bytes than this wait, at once.
    pub hard_bytes: usize,
}

impl Bounds {
    /// Those of the links on one port.
    pub(crate) fn of(settings: &Settings, side: Side) -> Self {
        let SideConfig { send_queue_packets: packets, send_queue_bytes, .. } = *settings.side(side);
        match side {
            Side::Client => {
                // One client alone must not make the memory for all of them short.
                let most = settings.limits.max_buffered_bytes.most().map_or(usize::MAX, |bytes| bytes / CLIENT_SHARE);
                let bytes = send_queue_bytes.min(most);
                let hard_bytes = bytes.saturating_mul(HARD_BOUND).min(most);
                Self { packets, bytes, slow: Some(SlowBounds { grace: settings.client_slow_grace, hard_bytes }) }
            }
            Side::Server => Self { packets, bytes: send_queue_bytes, slow: None },
        }
    }

    /// High water: whether more waits than may.
    #[inline]
    pub(crate) const fn is_exceeded(&self, waiting: Waiting) -> bool {
        waiting.packets > self.packets || waiting.bytes > self.bytes
    }

    /// Low water: whether so little waits that sources which were paused may go on.
    #[inline]
    const fn has_room(&self, waiting: Waiting) -> bool {
        waiting.packets <= self.packets / 2 && waiting.bytes <= self.bytes / 2
    }

    /// High water of the answers to a link's own requests.
    #[inline]
    pub(crate) const fn has_unread_replies(&self, waiting: Waiting) -> bool {
        waiting.answers > self.packets
    }
}

/// What waits for a link, against its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    /// Too many answers to its own requests wait: it is not read.
    pub unread_replies: bool,
    /// Too much waits for a server: its sources are not read.
    pub congested: bool,
    /// Since when too much has waited for a client.
    pub over_since: Option<Millis>,
    /// The client is to be closed.
    pub too_slow: bool,
}

impl Pressure {
    /// What follows from this, now that this much waits for the link. `interrupted`: its session has no transport, so
    /// that packets cannot leave; how many these are is no fault of the peer. Asks for the time only when too much waits
    /// for a client.
    #[inline]
    #[must_use]
    pub(super) fn judge(
        self,
        bounds: &Bounds,
        waiting: Waiting,
        interrupted: bool,
        now: impl FnOnce() -> Millis,
    ) -> Self {
        let few_replies = waiting.answers <= bounds.packets / 2;
        let unread_replies = bounds.has_unread_replies(waiting) || self.unread_replies && !few_replies;
        let Some(SlowBounds { grace, hard_bytes }) = bounds.slow else {
            let congested = bounds.is_exceeded(waiting) || self.congested && !bounds.has_room(waiting);
            return Self { unread_replies, congested, ..Self::default() };
        };

        let is_over = if interrupted { waiting.bytes > bounds.bytes } else { bounds.is_exceeded(waiting) };
        if !is_over {
            return Self { unread_replies, ..Self::default() };
        }
        let now = now();
        let since = self.over_since.unwrap_or(now);
        let too_slow = waiting.bytes > hard_bytes || now.since(since) > grace;
        Self { unread_replies, over_since: Some(since), too_slow, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Bounds = Bounds { packets: 100, bytes: 1000, slow: None };
    const CLIENT: Bounds =
        Bounds { slow: Some(SlowBounds { grace: Duration::from_secs(5), hard_bytes: 16_000 }), ..SERVER };

    fn waiting(packets: usize, bytes: usize, answers: usize) -> Waiting {
        Waiting { bytes, packets, answers }
    }

    fn at(seconds: u64) -> Millis {
        Millis::default() + Duration::from_secs(seconds)
    }

    fn never() -> Millis {
        panic!("the clock is read only when too much waits for a client")
    }

    #[test]
    fn reasons_to_pause_are_independent_of_each_other() {
        let mut pause = ReadPause::default();
        pause.set(ReadPause::BACKPRESSURE, true);
        pause.set(ReadPause::UNREAD_REPLIES, true);
        pause.set(ReadPause::BACKPRESSURE, true);
        pause.set(ReadPause::BACKPRESSURE, false);
        assert!(!pause.contains(ReadPause::BACKPRESSURE) && pause.contains(ReadPause::UNREAD_REPLIES));
        pause.set(ReadPause::UNREAD_REPLIES, false);
        assert!(pause.is_empty());
    }

    #[test]
    fn the_sources_of_a_server_wait_from_its_bound_until_half_of_it() {
        let steps = [
            (waiting(100, 1000, 0), false),
            (waiting(101, 10, 0), true),
            (waiting(51, 10, 0), true),
            (waiting(50, 501, 0), true),
            (waiting(50, 500, 0), false),
            (waiting(1, 1000, 0), false),
            (waiting(1, 1001, 0), true),
            (waiting(0, 0, 0), false),
        ];
        let mut pressure = Pressure::default();
        for (waiting, congested) in steps {
            pressure = pressure.judge(&SERVER, waiting, false, never);
            assert_eq!(pressure, Pressure { congested, ..Pressure::default() }, "{waiting:?}");
        }
    }

    #[test]
    fn a_link_with_unread_replies_is_read_again_at_half_of_the_bound() {
        for bounds in [SERVER, CLIENT] {
            let mut pressure = Pressure::default();
            for (answers, unread) in [(100, false), (101, true), (51, true), (50, false), (100, false)] {
                pressure = pressure.judge(&bounds, waiting(0, 0, answers), false, never);
                assert_eq!(pressure.unread_replies, unread, "{answers}");
            }
        }
    }

    #[test]
    fn a_client_above_a_bound_is_too_slow_after_the_grace() {
        for over in [waiting(101, 10, 0), waiting(1, 1001, 0)] {
            let began = Pressure::default().judge(&CLIENT, over, false, || at(7));
            assert_eq!(began, Pressure { over_since: Some(at(7)), ..Pressure::default() });
            let goes_on = began.judge(&CLIENT, over, false, || at(12));
            assert_eq!(goes_on, began, "not before the grace is over");
            assert!(goes_on.judge(&CLIENT, over, false, || at(13)).too_slow);
            let caught_up = goes_on.judge(&CLIENT, waiting(100, 1000, 0), false, never);
            assert_eq!(caught_up, Pressure::default());
            let again = caught_up.judge(&CLIENT, over, false, || at(20));
            assert_eq!((again.over_since, again.too_slow), (Some(at(20)), false), "the grace starts anew");
        }
    }

    #[test]
    fn a_client_far_above_its_bound_on_bytes_is_too_slow_at_once() {
        let judge = |bytes| Pressure::default().judge(&CLIENT, waiting(1, bytes, 0), false, || at(7)).too_slow;
        assert!(!judge(16_000) && judge(16_001));
    }

    #[test]
    fn packets_for_a_client_without_a_transport_do_not_count_and_bytes_do() {
        let many = Pressure::default().judge(&CLIENT, waiting(5000, 1000, 0), true, never);
        assert_eq!(many, Pressure::default());
        let much = Pressure::default().judge(&CLIENT, waiting(1, 1001, 0), true, || at(7));
        assert!(much.judge(&CLIENT, waiting(1, 1001, 0), true, || at(13)).too_slow);
    }

    #[test]
    fn what_follows_depends_on_the_last_look_alone_not_on_how_often_one_looked() {
        let over = waiting(101, 2000, 101);
        for bounds in [SERVER, CLIENT] {
            let once = Pressure::default().judge(&bounds, over, false, || at(1));
            assert_eq!(once.judge(&bounds, over, false, || at(2)), once);
        }
    }
}
