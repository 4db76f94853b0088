//! Whose handshake is computed next.
//!
//! A handshake takes as long as many messages, and those who come must not hold up those who are there. So handshakes
//! wait for a turn. Turns are given in rounds, one for each look at the links that can be read; in a round a few peers
//! have theirs, in rotation by address prefix, and within a prefix by session.

use std::time::{Duration, Instant};

use fastway_service::{AddressPrefix, FairQueue, HandshakeBudget, HandshakePace};
use tokio::sync::oneshot;

use crate::routing::LinkAddr;

/// Queues of [`Turns`].
const QUEUES: usize = 3;

/// The handshakes of a worker that wait for their turn.
#[derive(Debug)]
pub(super) struct Turns {
    pace: HandshakePace,
    /// The queue whose turn it is.
    next: usize,
    /// Resumes and opens do not wait for each other: anybody may open.
    resumes: Queue,
    opens: Queue,
    /// They cost next to nothing, so they have no budget.
    legacy_opens: Queue,
}

/// What a handshake is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// To open a secure session.
    Open,
    /// To open a legacy session.
    LegacyOpen,
    /// To resume the session of this link.
    Resume(LinkAddr),
}

#[derive(Debug)]
struct Queue {
    waiting: FairQueue<Peer, oneshot::Sender<()>>,
    /// The most that may be computed in a second, if that is bounded.
    budget: Option<HandshakeBudget>,
}

/// Who has a turn within an address prefix: everybody who is new, or one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Newcomer,
    Session(LinkAddr),
}

impl Turns {
    /// Nobody waits. At most so many handshakes are computed in a second, for opens, and as many for resumes.
    pub(super) fn new(per_second: Option<u32>, now: Instant) -> Self {
        let budget = || per_second.map(|per_second| HandshakeBudget::new(per_second, now));
        Self {
            pace: HandshakePace::new(now),
            next: 0,
            resumes: Queue::new(budget()),
            opens: Queue::new(budget()),
            legacy_opens: Queue::new(None),
        }
    }

    /// Waits for a turn: what is returned is told when it has come.
    pub(super) fn wait(&mut self, prefix: AddressPrefix, purpose: Purpose, now: Instant) -> oneshot::Receiver<()> {
        if !self.anybody_waits() {
            self.pace.restart(now);
        }
        let (turn, told) = oneshot::channel();
        match purpose {
            Purpose::Open => self.opens.waiting.push(prefix, Peer::Newcomer, turn),
            Purpose::LegacyOpen => self.legacy_opens.waiting.push(prefix, Peer::Newcomer, turn),
            Purpose::Resume(link) => self.resumes.waiting.push(prefix, Peer::Session(link), turn),
        }
        told
    }

    /// Gives the turns of a round, to opens only if `may_open`. False if none may be given: it is tried again when a
    /// handshake has ended, and at the next tick.
    pub(super) fn give(&mut self, now: Instant, may_open: bool) -> bool {
        let turns = self.pace.next_round(now);
        let mut left = turns;
        let mut passed_over = 0;
        while left > 0 && passed_over < QUEUES {
            let queue = match self.next {
                0 => Some(&mut self.resumes),
                1 => Some(&mut self.opens).filter(|_| may_open),
                _ => Some(&mut self.legacy_opens).filter(|_| may_open),
            };
            match queue.and_then(|queue| queue.give(now)) {
                Some(()) => (left, passed_over) = (left - 1, 0),
                None => passed_over += 1,
            }
            self.next = (self.next + 1) % QUEUES;
        }
        left < turns
    }

    /// A handshake was computed in this time.
    pub(super) fn computed(&mut self, time: Duration) {
        self.pace.computed(time);
    }

    /// Whether somebody waits for a turn.
    pub(super) const fn anybody_waits(&self) -> bool {
        !(self.resumes.waiting.is_empty() && self.opens.waiting.is_empty() && self.legacy_opens.waiting.is_empty())
    }
}

impl Queue {
    fn new(budget: Option<HandshakeBudget>) -> Self {
        Self { waiting: FairQueue::new(), budget }
    }

    /// Gives one turn, if there is somebody to take it and the budget allows it.
    fn give(&mut self, now: Instant) -> Option<()> {
        if self.waiting.is_empty() || self.budget.as_mut().is_some_and(|budget| !budget.afford(now)) {
            return None;
        }
        // Whoever has gone meanwhile is passed over.
        std::iter::from_fn(|| self.waiting.pop()).find_map(|turn| turn.send(()).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::routing::{LinkId, Slot, WorkerId};

    fn prefix(last: u8) -> AddressPrefix {
        AddressPrefix::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn session(id: u32) -> Purpose {
        Purpose::Resume(LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) })
    }

    /// Gives turns until nobody waits, or nobody may have one, and returns who had one, in order.
    fn rounds(
        turns: &mut Turns,
        waiting: &mut [(&'static str, oneshot::Receiver<()>)],
        now: Instant,
    ) -> Vec<&'static str> {
        let mut order = Vec::new();
        loop {
            turns.give(now, true);
            let told: Vec<_> =
                waiting.iter_mut().filter_map(|(name, told)| told.try_recv().is_ok().then_some(*name)).collect();
            if told.is_empty() {
                return order;
            }
            order.extend(told);
        }
    }

    #[test]
    fn a_flood_of_one_address_costs_another_one_turn_of_waiting() {
        let now = Instant::now();
        let mut turns = Turns::new(None, now);
        let flood = (0..50).map(|_| ("flood", turns.wait(prefix(1), Purpose::Open, now))).collect::<Vec<_>>();
        let honest = ("honest", turns.wait(prefix(2), Purpose::Open, now));
        let mut waiting: Vec<_> = flood.into_iter().chain([honest]).collect();
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!((order.len(), order.iter().position(|name| *name == "honest")), (51, Some(1)));
        assert!(!turns.anybody_waits());
    }

    #[test]
    fn one_session_that_resumes_over_and_over_has_the_turns_of_one() {
        let now = Instant::now();
        let mut turns = Turns::new(None, now);
        let again = (0..50).map(|_| ("again", turns.wait(prefix(1), session(1), now))).collect::<Vec<_>>();
        let other = ("other", turns.wait(prefix(1), session(2), now));
        let mut waiting: Vec<_> = again.into_iter().chain([other]).collect();
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!(order.iter().position(|name| *name == "other"), Some(1));
    }

    #[test]
    fn strangers_who_open_spend_nothing_of_what_resumes_need() {
        let now = Instant::now();
        let mut turns = Turns::new(Some(10), now);
        let mut waiting: Vec<_> = (0..50).map(|_| ("open", turns.wait(prefix(1), Purpose::Open, now))).collect();
        waiting.push(("resume", turns.wait(prefix(1), session(1), now)));
        waiting.push(("legacy", turns.wait(prefix(1), Purpose::LegacyOpen, now)));
        let mut order = rounds(&mut turns, &mut waiting, now);
        order.sort_unstable();
        assert_eq!(order, ["legacy", "open", "resume"], "ten in a second, and one at once");

        let later = now + Duration::from_millis(100);
        assert_eq!(rounds(&mut turns, &mut waiting, later), ["open"]);
    }

    #[test]
    fn whoever_has_gone_is_passed_over() {
        let now = Instant::now();
        let mut turns = Turns::new(None, now);
        drop(turns.wait(prefix(1), Purpose::Open, now));
        let mut waiting = [("there", turns.wait(prefix(1), Purpose::Open, now))];
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["there"]);
        assert!(!turns.anybody_waits());
    }
}
