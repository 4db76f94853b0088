//! What was refused in the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use crate::http::sample::Sample;
use crate::observe::{SideCounts, labels};

/// How long a refusal counts as recent.
const SPAN: Duration = Duration::from_secs(10);

/// Counts of refusals, by limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Refusals {
    pub(super) accept: u64,
    limits: [u64; KINDS],
}

/// The refusals of a time span.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct Recent {
    pub(super) span: Duration,
    pub(super) refusals: Refusals,
}

/// The counts at each of the last seconds, the earliest first.
#[derive(Debug, Default)]
pub(in crate::http) struct RefusalsLog(VecDeque<(Duration, Refusals)>);

/// A limit that refuses.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) kind: &'static str,
    /// What was refused, behind its count.
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
    count: fn(&Sample) -> u64,
}

const KINDS: usize = 11;

static LIMITS: [Limit; KINDS] = [
    Limit {
        kind: "max_links",
        what: "clients were turned away: --max-links is reached",
        advice: "An attack, or a success: raise --max-links, or start another gateway.",
        count: |sample| rejected(sample, labels::MAX_LINKS),
    },
    Limit {
        kind: "max_links_per_address",
        what: "clients were turned away: their addresses have --max-links-per-address links",
        advice: "The log names the addresses. Raise the limit if many players share one.",
        count: |sample| rejected(sample, labels::MAX_LINKS_PER_ADDRESS),
    },
    Limit {
        kind: "unknown_server",
        what: "dials named a server or client that is not here",
        advice: "A server is away, or a client has a wrong ID.",
        count: |sample| dials_refused(sample, labels::UNKNOWN),
    },
    Limit {
        kind: "dials_limited",
        what: "dials were refused by --client-max-conn or --max-dials-per-second",
        advice: "A client dials too much, or the limit is too low.",
        count: |sample| dials_refused(sample, labels::MAX_CONNS) + dials_refused(sample, labels::DIAL_RATE),
    },
    Limit {
        kind: "wrong_key",
        what: "servers came with a wrong key",
        advice: "A server has another --server-auth-key, or a stranger reaches the server port: the log has the address.",
        count: |sample| rejected(sample, labels::WRONG_KEY),
    },
    Limit {
        kind: "handshakes_dropped",
        what: "handshakes were dropped: more than --max-handshakes were in progress",
        advice: "An attack, or everybody at once: the log has the addresses.",
        count: |sample| rejected(sample, labels::DROPPED),
    },
    Limit {
        kind: "sessions_overloaded",
        what: "sessions were refused as overloaded",
        advice: "The gateway is at --max-links or --max-links-per-address: raise it, or start another gateway.",
        count: |sample| sample.report.total.sessions.refused.of(labels::OVERLOADED),
    },
    Limit {
        kind: "sessions_pushed_out",
        what: "sessions were ended while they waited: too many wait",
        advice: "A network failed for many, or --max-waiting and --max-waiting-bytes are too low.",
        count: |sample| closed(sample, labels::PUSHED_OUT),
    },
    Limit {
        kind: "clients_closed_slow",
        what: "links were closed because they took too little",
        advice: "Their network or device is slow, or a server sends too much.",
        count: |sample| closed(sample, labels::TOO_SLOW) + closed(sample, labels::STALLED),
    },
    Limit {
        kind: "clients_closed_for_memory",
        what: "links were closed because too much was held for all of them",
        advice: "The log has their addresses. An attack, or --max-buffered-bytes is too low.",
        count: |sample| closed(sample, labels::MEMORY),
    },
    Limit {
        kind: "log_lines_dropped",
        what: "log lines were dropped: nobody reads stderr",
        advice: "Look at what takes the log: a full disk, a stopped container log, a paused terminal.",
        count: |sample| sample.dropped_lines,
    },
];

impl Refusals {
    /// What had been refused when a sample was taken.
    pub(in crate::http) fn until(sample: &Sample) -> Self {
        Self { accept: sample.report.total.accept_errors, limits: LIMITS.each_ref().map(|limit| (limit.count)(sample)) }
    }

    /// What each limit refused.
    pub(super) fn limits(&self) -> [(&'static Limit, u64); KINDS] {
        let mut counts = self.limits.iter().copied();
        LIMITS.each_ref().map(|limit| (limit, counts.next().unwrap_or(0)))
    }

    fn since(&self, before: &Self) -> Self {
        let mut earlier = before.limits.iter().copied();
        Self {
            accept: self.accept.saturating_sub(before.accept),
            limits: self.limits.map(|count| count.saturating_sub(earlier.next().unwrap_or(0))),
        }
    }
}

impl RefusalsLog {
    /// Adds what had been refused at a time since the start, and says what was refused lately.
    pub(in crate::http) fn add(&mut self, uptime: Duration, refusals: Refusals) -> Recent {
        // The latest one that is old enough stays, to compare with.
        while self.0.get(1).is_some_and(|(at, _)| uptime.saturating_sub(*at) >= SPAN) {
            self.0.pop_front();
        }
        let start = (uptime <= SPAN).then(Default::default);
        let (since, before) = self.0.front().copied().or(start).unwrap_or((uptime, refusals));
        self.0.push_back((uptime, refusals));
        Recent { span: uptime.saturating_sub(since), refusals: refusals.since(&before) }
    }
}

/// Streams of both ports rejected for a reason.
fn rejected(sample: &Sample, reason: &str) -> u64 {
    sample.report.total.rejections.of(reason)
}

/// Dials refused for a reason.
fn dials_refused(sample: &Sample, reason: &str) -> u64 {
    sample.report.total.dials_refused.of(reason)
}

/// Links of both sides closed for a reason.
fn closed(sample: &Sample, reason: &str) -> u64 {
    let of = |side: &SideCounts| side.closed.of(reason);
    of(&sample.report.total.client) + of(&sample.report.total.server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(count: u64) -> Refusals {
        Refusals { accept: count, ..Refusals::default() }
    }

    #[test]
    fn what_was_refused_counts_for_ten_seconds() {
        let mut log = RefusalsLog::default();
        let mut add = |second, count| {
            let Recent { span, refusals } = log.add(Duration::from_secs(second), accepted(count));
            (span.as_secs(), refusals.accept)
        };
        assert_eq!(add(3, 2), (3, 2), "since the start");
        assert_eq!(add(4, 5), (1, 3), "since the third second");
        assert!((5..13).all(|second| add(second, 5).1 == 3));
        assert_eq!(add(13, 6), (10, 4), "since the third second");
        assert!((14..24).all(|second| add(second, 6).0 == 10));
        assert_eq!(add(24, 6), (10, 0));
        assert!(log.0.len() <= 12, "{}", log.0.len());
    }

    #[test]
    fn what_was_refused_before_anybody_looked_is_not_recent() {
        let Recent { refusals, .. } = RefusalsLog::default().add(Duration::from_secs(3600), accepted(7));
        assert_eq!(refusals.accept, 0);
    }
}
