//! Delays before an attempt gets another one beside it (`docs/protocol.md` §3.4, 9).

use std::time::Duration;

use tokio::time::Instant;

use crate::Backoff;
use crate::backoff::up_to_half_longer;

/// Without a TCP connection: the longest first delay, of which the real one is drawn from the upper half; and the same in times
/// that connecting took, where that is longer. A crowd that comes back at once is answered within a second or two, and should not
/// have asked twice by then.
const FIRST_UNCONNECTED: Duration = Duration::from_secs(1);
const CONNECTS: u32 = 3;
/// With a TCP connection: the shortest first delay, which the real one is up to half longer than, for a gateway that has never
/// replied and for one that has; and the same in times that the reply took, where that is longer.
const FIRST_CONNECTED: Duration = Duration::from_secs(1);
const FIRST_CONNECTED_AGAIN: Duration = Duration::from_millis(500);
const REPLIES: u32 = 2;

/// The last times of connecting and of the gateway's reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerTimes {
    connect: Option<Duration>,
    reply: Option<Duration>,
}

/// The delays; each is twice as long as the one before.
pub(super) struct Delays {
    unconnected: Backoff,
    connected: Duration,
    longest: Duration,
}

/// When the next attempt is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// At this time, whatever is in progress.
    At(Instant),
    /// Beside the unanswered attempts.
    Beside {
        /// When the newest of them began.
        began: Instant,
        /// The delay while none of them has a TCP connection.
        unconnected: Duration,
        /// The delay if one of them has: from its connection or from the beginning of the newest, whichever is later.
        connected: Duration,
    },
}

impl AnswerTimes {
    /// An attempt was answered: connecting took so long, and the reply so much more.
    ///
    /// A slower network or gateway has its effect at once; a lost packet is forgotten soon.
    pub(super) fn learn(&mut self, connect: Duration, reply: Duration) {
        for (known, new) in [(&mut self.connect, connect), (&mut self.reply, reply)] {
            *known = Some(known.map_or(new, |known| new.max((known + new) / 2)));
        }
    }
}

impl Delays {
    /// The first delays after these times. None is above `longest`.
    pub(super) fn after(times: AnswerTimes, longest: Duration) -> Self {
        let least = if times.reply.is_some() { FIRST_CONNECTED_AGAIN } else { FIRST_CONNECTED };
        let connected = least.max(times.reply.unwrap_or_default().saturating_mul(REPLIES)).min(longest);
        let unconnected = FIRST_UNCONNECTED.max(times.connect.unwrap_or_default().saturating_mul(CONNECTS));
        Self { unconnected: Backoff::new(unconnected, longest), connected, longest }
    }

    /// The longest delays.
    pub(super) fn slowest(longest: Duration) -> Self {
        Self { unconnected: Backoff::new(longest, longest), connected: longest, longest }
    }

    /// The shortest delay for an attempt with a TCP connection.
    pub(super) fn connected(&self) -> Duration {
        self.connected
    }

    /// When the next attempt is due beside one that begins now.
    pub(super) fn next_due(&mut self) -> Due {
        let (unconnected, connected) = (self.unconnected.next_delay(), up_to_half_longer(self.connected));
        self.connected = self.connected.saturating_mul(2).min(self.longest);
        Due::Beside { began: Instant::now(), unconnected, connected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn times(answers: &[(u64, u64)]) -> AnswerTimes {
        let mut times = AnswerTimes::default();
        answers.iter().for_each(|(connect, reply)| times.learn(millis(*connect), millis(*reply)));
        times
    }

    #[test]
    fn delays_double_and_depend_on_how_long_answers_took() {
        for (answers, unconnected, connected) in [
            (&[][..], 1000, 1000),
            (&[(5, 10)], 1000, 500),
            (&[(700, 900)], 2100, 1800),
            (&[(5, 10), (700, 900)], 2100, 1800),
            (&[(1000, 1000), (200, 200)], 1800, 1200),
        ] {
            let mut delays = Delays::after(times(answers), millis(60_000));
            for growth in [1, 2, 4] {
                let [most, least] = [unconnected, connected].map(|delay| growth * millis(delay));
                let Due::Beside { unconnected, connected, .. } = delays.next_due() else { panic!("not beside others") };
                assert!(unconnected >= most / 2 && unconnected <= most, "{answers:?}: {unconnected:?}");
                assert!(connected >= least && connected <= least.mul_f64(1.5), "{answers:?}: {connected:?}");
            }
        }
    }

    #[test]
    fn no_delay_is_longer_than_the_time_of_an_attempt() {
        let mut delays = Delays::after(times(&[(9000, 9000)]), millis(3000));
        let Due::Beside { unconnected, connected, .. } = delays.next_due() else { panic!("not beside others") };
        assert!(unconnected <= millis(3000) && connected <= millis(4500));
    }
}
