//! What each sweep looks at to find links that are idle or stalled, and what a client may still send until the next one.
//!
//! Nothing here knows a socket or reads a clock: what the data path has noted and the time of the sweep come in, and what
//! follows comes out.

use std::time::Duration;

use fastway_service::clock::Millis;

/// What the data path notes for the sweep, and what the sweeps before have found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    /// A byte was received since the last sweep.
    pub heard: bool,
    /// A byte was accepted by the transport since the last sweep.
    pub progressed: bool,
    /// The sweep that last found the link not idle.
    pub last_heard: Millis,
    /// The first sweep that found bytes waiting and none accepted.
    pub stuck_since: Option<Millis>,
    /// Since when more has waited for the link, a client's, than may.
    pub over_since: Option<Millis>,
    /// Bytes that may still be read in this sweep interval, if that is limited.
    pub allowance: u64,
}

/// What a sweep finds, beside what the data path has noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The gateway does not read the link: silence is no fault of the peer.
    pub is_paused: bool,
    /// Its session has no stream: nothing can come or go.
    pub is_interrupted: bool,
    /// Something waits for the peer.
    pub has_waiting: bool,
}

/// What a link has not done for its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimedOut {
    /// Nothing was received for so long.
    Idle(Duration),
    /// Something waited, and the transport accepted none of it for so long.
    Stalled(Duration),
}

/// What a client may send, as each sweep gives it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteBudget {
    /// Bytes more until the next sweep.
    pub more: u64,
    /// The most that a client saves up.
    pub most: u64,
}

impl Watch {
    /// As much of `limit` as may be read in this sweep interval; `None`: nothing.
    pub(crate) fn within_allowance(&self, limit: usize) -> Option<usize> {
        let allowed = usize::try_from(self.allowance).map_or(limit, |allowance| limit.min(allowance));
        (allowed > 0).then_some(allowed)
    }

    /// Bytes were read.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.allowance = self.allowance.saturating_sub(bytes as u64);
    }

    /// Gives out what may be read until the next sweep. True if the link was not read for want of it, and is now.
    pub(crate) fn refill(&mut self, budget: ByteBudget) -> bool {
        let starved = self.allowance == 0;
        self.allowance = self.allowance.saturating_add(budget.more).min(budget.most);
        let goes_on = starved && budget.more > 0;
        // Time in which the gateway does not read a link is not idle time.
        self.heard |= goes_on;
        goes_on
    }

    /// The worker itself stood still for that long: what came meanwhile is not read yet, and nothing was sent.
    pub(crate) fn extend_deadlines(&mut self, lost: Duration) {
        self.last_heard += lost;
        for since in [&mut self.stuck_since, &mut self.over_since].into_iter().flatten() {
            *since += lost;
        }
    }

    /// A sweep looks at the link, whose times count on even if there is no timeout. Says what it has not done for that.
    pub(crate) fn look(&mut self, found: Found, timeout: Option<Duration>, now: Millis) -> Option<TimedOut> {
        let Found { is_paused, is_interrupted, has_waiting } = found;
        if std::mem::take(&mut self.heard) || is_paused || is_interrupted {
            self.last_heard = now;
        }
        if std::mem::take(&mut self.progressed) || !has_waiting || is_interrupted {
            self.stuck_since = None;
        } else {
            self.stuck_since.get_or_insert(now);
        }

        let timeout = timeout?;
        let stuck = self.stuck_since.map_or(Duration::ZERO, |since| now.since(since));
        if now.since(self.last_heard) >= timeout {
            Some(TimedOut::Idle(timeout))
        } else {
            (stuck >= timeout).then_some(TimedOut::Stalled(timeout))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const IDLE: Option<TimedOut> = Some(TimedOut::Idle(TIMEOUT));
    const STALLED: Option<TimedOut> = Some(TimedOut::Stalled(TIMEOUT));
    const QUIET: Found = Found { is_paused: false, is_interrupted: false, has_waiting: false };
    const WAITING: Found = Found { has_waiting: true, ..QUIET };
    const PAUSED: Found = Found { is_paused: true, ..QUIET };
    const INTERRUPTED: Found = Found { is_interrupted: true, has_waiting: true, ..QUIET };

    fn at(seconds: u64) -> Millis {
        Millis::default() + Duration::from_secs(seconds)
    }

    /// A sweep: when, whether something was heard and accepted since the last one, and what is found.
    type Sweep = (u64, bool, bool, Found);

    /// What the last of several sweeps finds; those before must find nothing.
    fn last_of(sweeps: &[Sweep], timeout: Option<Duration>, why: &str) -> Option<TimedOut> {
        let mut watch = Watch::default();
        let mut timed_out = None;
        for (seconds, heard, progressed, found) in sweeps {
            assert_eq!(timed_out, None, "{why}: early");
            watch.heard |= heard;
            watch.progressed |= progressed;
            timed_out = watch.look(*found, timeout, at(*seconds));
        }
        timed_out
    }

    #[test]
    fn a_link_times_out_when_it_is_silent_or_takes_nothing_and_the_gateway_is_not_to_blame() {
        const YES: bool = true;
        const NO: bool = false;
        for (sweeps, expected, why) in [
            (&[(0, YES, NO, QUIET), (9, NO, NO, QUIET)][..], None, "the timeout is not over"),
            (&[(0, YES, NO, QUIET), (10, NO, NO, QUIET)], IDLE, "nothing came for the timeout"),
            (&[(0, YES, NO, QUIET), (9, YES, NO, QUIET), (18, NO, NO, QUIET)], None, "a byte starts it anew"),
            (&[(0, YES, NO, QUIET), (9, YES, NO, QUIET), (19, NO, NO, QUIET)], IDLE, "and no longer"),
            (&[(0, YES, NO, QUIET), (9, NO, YES, WAITING), (10, NO, YES, WAITING)], IDLE, "it only takes"),
            (&[(0, YES, NO, WAITING), (9, YES, NO, WAITING)], None, "it takes nothing, for less than the timeout"),
            (&[(0, YES, NO, WAITING), (10, YES, NO, WAITING)], STALLED, "it takes nothing, and sends"),
            (&[(0, YES, NO, WAITING), (9, YES, YES, WAITING), (12, YES, NO, WAITING)], None, "it took something"),
            (&[(0, YES, NO, WAITING), (9, YES, NO, QUIET), (12, YES, NO, WAITING)], None, "nothing waited in between"),
            (&[(0, YES, NO, PAUSED), (30, NO, NO, PAUSED)], None, "the gateway does not read it"),
            (
                &[(0, YES, NO, PAUSED), (30, NO, NO, PAUSED), (39, NO, NO, QUIET)],
                None,
                "it counts from the end of that",
            ),
            (&[(0, NO, NO, PAUSED), (30, NO, NO, PAUSED), (40, NO, NO, QUIET)], IDLE, "and then it does"),
            (&[(0, YES, NO, INTERRUPTED), (90, NO, NO, INTERRUPTED)], None, "its session waits, for either reason"),
            (
                &[(0, YES, NO, INTERRUPTED), (90, NO, NO, INTERRUPTED), (99, NO, NO, WAITING)],
                None,
                "and has just come back",
            ),
        ] {
            assert_eq!(last_of(sweeps, Some(TIMEOUT), why), expected, "{why}");
            assert_eq!(last_of(sweeps, None, why), None, "without a timeout, {why}");
        }
    }

    #[test]
    fn time_in_which_the_worker_stood_still_is_nobodys() {
        let mut watch = Watch { heard: true, over_since: Some(at(0)), ..Watch::default() };
        assert_eq!(watch.look(WAITING, Some(TIMEOUT), at(0)), None);
        watch.extend_deadlines(Duration::from_secs(20));
        assert_eq!(watch.look(WAITING, Some(TIMEOUT), at(29)), None);
        assert_eq!((watch.last_heard, watch.stuck_since, watch.over_since), (at(20), Some(at(20)), Some(at(20))));
        assert_eq!(watch.look(WAITING, Some(TIMEOUT), at(30)), IDLE);
    }

    #[test]
    fn a_client_sends_what_its_budget_allows_and_saves_up_no_more_than_that_of_a_second() {
        let budget = ByteBudget { more: 100, most: 1000 };
        let mut watch = Watch { allowance: 1000, ..Watch::default() };
        assert_eq!(watch.within_allowance(4096), Some(1000));
        assert_eq!(watch.within_allowance(10), Some(10));
        for (spent, goes_on, left) in
            [(0, false, 1000), (950, false, 150), (150, true, 100), (100, true, 100), (1, false, 199)]
        {
            watch.spend(spent);
            assert_eq!((watch.refill(budget), watch.allowance), (goes_on, left), "after {spent} bytes");
        }

        watch.spend(5000);
        assert_eq!((watch.allowance, watch.within_allowance(4096)), (0, None));
        watch.heard = false;
        assert!(!watch.refill(ByteBudget { more: 0, most: 1000 }) && !watch.heard, "less than a byte was earned");
        assert!(watch.refill(budget) && watch.heard, "the gateway has not read it meanwhile");
    }
}
