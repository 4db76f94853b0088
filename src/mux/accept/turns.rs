//! Whose handshake is computed next.
//!
//! A handshake takes as long as many messages, and those who come must not hold up those who are there. So handshakes
//! wait for a turn. Turns are given in rounds, one for each look at the links that can be read; in a round a few peers
//! have theirs, in rotation by address prefix, and within a prefix by session.

use std::time::{Duration, Instant};

use fastway_service::{AddressPrefix, FairQueue, HandshakePace};
use tokio::sync::oneshot;

use super::newest_resumes::{NewestResumes, Turn};
use super::rates::{RateShare, Rates};
use crate::mux::routing::{LinkAddr, PerSide, Side};

/// Before so many wait in a queue, it is not looked through for those who have gone.
const CROWD: usize = 64;

/// One of so many turns is for those who open sessions, the others for those who come back: a herd that logs in must not
/// hold up those who play.
const TURNS_OF_OPENS: usize = 4;

/// Turns until each queue had its own.
const ROUND_OF_QUEUES: usize = TURNS_OF_OPENS * 4;

/// The handshakes of a worker that wait for their turn.
#[derive(Debug)]
pub(crate) struct Turns {
    pace: HandshakePace,
    /// How many may be computed in a second to resume sessions.
    resume_rate: RateShare,
    /// The same to open secure ones. Legacy opens cost next to nothing, so they have no bound.
    open_rate: RateShare,
    /// Those who resume sessions.
    resumes: Queue,
    /// Those that may have several places in the queue of resumes.
    newest: NewestResumes,
    /// Those who open sessions. They do not wait for each other: anybody may open, and on either port.
    opens: [Queue; 4],
    /// The number of the next turn.
    next: usize,
}

/// What a handshake is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// To open a secure session on this port.
    Open(Side),
    /// To open a legacy session on this port.
    LegacyOpen(Side),
    /// To resume the session of this link.
    Resume(LinkAddr),
    /// The same, by a resume that is genuine and newer than those that wait to resume the session.
    NewestResume(LinkAddr),
}

/// Handshakes that are for the same.
#[derive(Debug)]
struct Queue {
    kind: QueueKind,
    waiting: FairQueue<Peer, Turn>,
    /// When so many wait, those who have gone are looked for: they must not become many while nobody gets a turn.
    crowd: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QueueKind {
    Resumes,
    Opens(Side),
    LegacyOpens(Side),
}

/// Who has a turn within an address prefix: everybody who is new, or one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Newcomer,
    Session(LinkAddr),
}

impl Turns {
    /// Nobody waits. The worker is one of `workers` that share the rates.
    pub(crate) fn new(rates: &Rates, workers: usize, now: Instant) -> Self {
        use QueueKind::{LegacyOpens, Opens, Resumes};
        use Side::{Client, Server};
        let opens = [Opens(Client), Opens(Server), LegacyOpens(Client), LegacyOpens(Server)];
        Self {
            pace: HandshakePace::new(now),
            resume_rate: rates.share_of_resumes(workers),
            open_rate: rates.share_of_opens(workers),
            resumes: Queue::new(Resumes),
            newest: NewestResumes::default(),
            opens: opens.map(Queue::new),
            next: 0,
        }
    }

    /// The rates have changed.
    pub(crate) fn set_rates(&mut self, rates: &Rates, workers: usize) {
        self.resume_rate = rates.share_of_resumes(workers);
        self.open_rate = rates.share_of_opens(workers);
    }

    /// Waits for a turn: what is returned is told when it has come, and fails when a newer resume has taken the place.
    ///
    /// The newest resume of a session waits in the place of the older ones: its peer may have given those up, and has waited
    /// since the first of them.
    pub(crate) fn wait(&mut self, prefix: AddressPrefix, purpose: Purpose, now: Instant) -> oneshot::Receiver<()> {
        if !self.anybody_waits() {
            self.pace.restart(now);
        }
        let (tell, told) = oneshot::channel();
        match purpose {
            Purpose::Open(side) => self.push(QueueKind::Opens(side), prefix, Peer::Newcomer, tell),
            Purpose::LegacyOpen(side) => self.push(QueueKind::LegacyOpens(side), prefix, Peer::Newcomer, tell),
            Purpose::Resume(link) => self.push(QueueKind::Resumes, prefix, Peer::Session(link), tell),
            Purpose::NewestResume(link) => self.push_newest(prefix, link, tell),
        }
        told
    }

    fn push(&mut self, kind: QueueKind, prefix: AddressPrefix, peer: Peer, tell: oneshot::Sender<()>) {
        if let Some(queue) = self.queue_with_room(kind) {
            queue.waiting.push(prefix, peer, Turn::new(tell));
        }
    }

    fn push_newest(&mut self, prefix: AddressPrefix, link: LinkAddr, tell: oneshot::Sender<()>) {
        let Some(turn) = self.newest.wait(link, prefix, tell) else { return };
        if let Some(queue) = self.queue_with_room(QueueKind::Resumes) {
            queue.waiting.push_instead(prefix, Peer::Session(link), turn);
        }
    }

    /// A queue. Those who have gone are forgotten before, if so many wait that it is time to look for them.
    fn queue_with_room(&mut self, kind: QueueKind) -> Option<&mut Queue> {
        let mut queues = std::iter::once(&mut self.resumes).chain(&mut self.opens);
        let queue = queues.find(|queue| queue.kind == kind)?;
        if queue.waiting.len() >= queue.crowd {
            queue.waiting.retain(Turn::is_awaited);
            queue.crowd = CROWD.max(2 * queue.waiting.len());
            if kind == QueueKind::Resumes {
                self.newest.forget_gone();
            }
        }
        Some(queue)
    }

    /// Gives the turns of a round, to opens on each port as far as there is `room` for them. False if none may be given:
    /// it is tried again when a handshake has ended, and at the next tick.
    pub(crate) fn give(&mut self, now: Instant, mut room: PerSide<usize>) -> bool {
        let turns = self.pace.next_round(now);
        let mut left = turns;
        let mut passed_over = 0;
        while left > 0 && passed_over < ROUND_OF_QUEUES {
            if self.give_next(now, &mut room) {
                (left, passed_over) = (left - 1, 0);
            } else {
                passed_over += 1;
            }
        }
        left < turns
    }

    /// Gives a turn to the next queue, if somebody is there to take it, and room and budget allow it.
    fn give_next(&mut self, now: Instant, room: &mut PerSide<usize>) -> bool {
        let next = self.next;
        self.next = (next + 1) % ROUND_OF_QUEUES;
        let is_for_resumes = !next.is_multiple_of(TURNS_OF_OPENS);
        let queue = if is_for_resumes { Some(&mut self.resumes) } else { self.opens.get_mut(next / TURNS_OF_OPENS) };
        let queue = queue.filter(|queue| !queue.waiting.is_empty());
        let Some(Queue { kind, waiting, .. }) = queue else { return false };

        // A resume takes no room: its session has had it since it was opened.
        let (room, rate) = match kind {
            QueueKind::Resumes => (None, Some(&self.resume_rate)),
            QueueKind::Opens(side) => (Some(&mut room[*side]), Some(&self.open_rate)),
            QueueKind::LegacyOpens(side) => (Some(&mut room[*side]), None),
        };
        if room.as_deref() == Some(&0) {
            return false;
        }
        let spent = rate.map(|rate| (rate, rate.afford(now)));
        if matches!(spent, Some((_, None))) {
            return false;
        }

        // Whoever has gone meanwhile is passed over.
        let is_given = std::iter::from_fn(|| waiting.pop()).any(|turn| {
            let is_given = turn.give();
            turn.of_newest().into_iter().for_each(|link| self.newest.turn_has_come(link));
            is_given
        });

        if !is_given {
            if let Some((rate, Some(spent))) = spent {
                rate.give_back(spent);
            }
        } else if let Some(room) = room {
            *room -= 1;
        }
        is_given
    }

    /// A handshake was computed in this time.
    pub(crate) fn computed(&mut self, time: Duration) {
        self.pace.computed(time);
    }

    /// Whether somebody waits for a turn.
    pub(crate) fn anybody_waits(&self) -> bool {
        !self.resumes.waiting.is_empty() || self.opens.iter().any(|queue| !queue.waiting.is_empty())
    }

    /// Handshakes that wait, with those that have gone and are not forgotten yet.
    #[cfg(test)]
    fn places(&self) -> usize {
        std::iter::once(&self.resumes).chain(&self.opens).map(|queue| queue.waiting.len()).sum()
    }
}

impl Queue {
    fn new(kind: QueueKind) -> Self {
        Self { kind, waiting: FairQueue::new(), crowd: CROWD }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::mux::config::Settings;
    use crate::mux::routing::{LinkId, Slot, WorkerId};

    fn prefix(last: u8) -> AddressPrefix {
        AddressPrefix::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    /// Room for everybody.
    const ROOM: PerSide<usize> = PerSide { client: usize::MAX, server: usize::MAX };
    const OPEN: Purpose = Purpose::Open(Side::Client);

    fn session(id: u32) -> Purpose {
        Purpose::Resume(LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) })
    }

    fn newest(id: u32) -> Purpose {
        match session(id) {
            Purpose::Resume(link) => Purpose::NewestResume(link),
            other => other,
        }
    }

    /// Turns of the only worker.
    fn turns(per_second: Option<u32>, now: Instant) -> Turns {
        let mut settings = Settings::default();
        settings.sessions.max_handshakes_per_second = per_second;
        Turns::new(&Rates::new(&settings, now), 1, now)
    }

    /// Who has had a turn since the last call.
    fn told(waiting: &mut [(&'static str, oneshot::Receiver<()>)]) -> Vec<&'static str> {
        waiting.iter_mut().filter_map(|(name, told)| told.try_recv().is_ok().then_some(*name)).collect()
    }

    /// Gives turns until nobody waits, or nobody may have one, and returns who had one, in order.
    fn rounds(
        turns: &mut Turns,
        waiting: &mut [(&'static str, oneshot::Receiver<()>)],
        now: Instant,
    ) -> Vec<&'static str> {
        let mut order = Vec::new();
        loop {
            turns.give(now, ROOM);
            let told = told(waiting);
            if told.is_empty() {
                return order;
            }
            order.extend(told);
        }
    }

    #[test]
    fn a_flood_of_one_address_costs_another_one_turn_of_waiting() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let flood = (0..50).map(|_| ("flood", turns.wait(prefix(1), OPEN, now))).collect::<Vec<_>>();
        let honest = ("honest", turns.wait(prefix(2), OPEN, now));
        let mut waiting: Vec<_> = flood.into_iter().chain([honest]).collect();
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!((order.len(), order.iter().position(|name| *name == "honest")), (51, Some(1)));
        assert!(!turns.anybody_waits());
    }

    #[test]
    fn one_session_that_resumes_over_and_over_has_the_turns_of_one() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let again = (0..50).map(|_| ("again", turns.wait(prefix(1), session(1), now))).collect::<Vec<_>>();
        let other = ("other", turns.wait(prefix(1), session(2), now));
        let mut waiting: Vec<_> = again.into_iter().chain([other]).collect();
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!(order.iter().position(|name| *name == "other"), Some(1));
    }

    #[test]
    fn the_newest_resume_of_a_session_has_the_place_of_the_older_ones() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let Purpose::Resume(link) = session(1) else { return };
        let mut older = [session(1), session(1)].map(|purpose| turns.wait(prefix(1), purpose, now));
        let mut waiting = vec![("other", turns.wait(prefix(1), session(2), now))];
        waiting.push(("newest", turns.wait(prefix(1), Purpose::NewestResume(link), now)));
        assert!(older.iter_mut().all(|told| told.try_recv() == Err(oneshot::error::TryRecvError::Closed)));
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["newest", "other"]);
    }

    #[test]
    fn of_four_turns_those_who_come_back_have_three() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let mut waiting: Vec<_> = (0..40).map(|_| ("open", turns.wait(prefix(1), OPEN, now))).collect();
        waiting.extend((0..30).map(|id| ("resume", turns.wait(prefix(1), session(id), now))));
        let mut order = Vec::new();
        while order.iter().filter(|name| **name == "resume").count() < 30 {
            turns.give(now, ROOM);
            order.extend(told(&mut waiting));
        }
        let opens = order.iter().filter(|name| **name == "open").count();
        assert!((1..=10).contains(&opens), "{opens} before the last of 30 resumes");
        assert_eq!(rounds(&mut turns, &mut waiting, now).len(), 40 - opens);
    }

    #[test]
    fn the_newest_resume_keeps_the_place_of_the_older_ones_when_it_comes_from_another_network() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let mut older = turns.wait(prefix(1), newest(1), now);
        let mut waiting: Vec<_> = (2..=9).map(|id| ("other", turns.wait(prefix(id), newest(id.into()), now))).collect();
        waiting.push(("moved", turns.wait(prefix(20), newest(1), now)));
        assert_eq!(older.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!((order.len(), order.iter().position(|name| *name == "moved")), (9, Some(0)));
        assert!(!turns.anybody_waits());
        assert_eq!(turns.newest.len(), 0);
    }

    #[test]
    fn a_resume_from_another_network_waits_no_longer_than_others_from_there() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        // Its first network is crowded.
        let mut waiting: Vec<_> = (10..60).map(|id| ("crowd", turns.wait(prefix(1), newest(id), now))).collect();
        let _older = turns.wait(prefix(1), newest(1), now);
        waiting.push(("moved", turns.wait(prefix(2), newest(1), now)));
        let order = rounds(&mut turns, &mut waiting, now);
        assert_eq!((order.len(), order.iter().position(|name| *name == "moved")), (51, Some(1)));
    }

    #[test]
    fn a_resume_that_is_not_known_to_be_genuine_and_newest_takes_no_place() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let mut waiting = vec![("genuine", turns.wait(prefix(1), newest(1), now))];
        waiting.push(("other", turns.wait(prefix(2), newest(2), now)));
        waiting.push(("forged", turns.wait(prefix(3), session(1), now)));
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["genuine", "other", "forged"]);
        // Nor does the owner inherit the place of a forger, who may have chosen a crowded one.
        let forged = turns.wait(prefix(1), session(1), now);
        let mut waiting = vec![("other", turns.wait(prefix(2), newest(2), now)), ("forged", forged)];
        waiting.push(("genuine", turns.wait(prefix(3), newest(1), now)));
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["forged", "other", "genuine"]);
    }

    #[test]
    fn a_session_has_one_turn_and_two_places_however_often_its_peer_moves() {
        let now = Instant::now();
        let mut turns = turns(Some(1), now);
        let mut waiting: Vec<_> = (1..=200).map(|id| ("moved", turns.wait(prefix(id), newest(1), now))).collect();
        waiting.push(("other", turns.wait(prefix(201), newest(2), now)));
        let left = turns.places();
        assert_eq!(left, 3);
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["moved"]);
        let later = now + Duration::from_secs(1);
        assert_eq!(rounds(&mut turns, &mut waiting, later), ["other"], "the second place costs nobody a turn");
    }

    #[test]
    fn a_resume_after_the_turn_of_an_older_one_waits_anew() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let mut first = [("first", turns.wait(prefix(1), newest(1), now))];
        let _gone = turns.wait(prefix(2), newest(2), now);
        assert_eq!(rounds(&mut turns, &mut first, now), ["first"]);
        let mut waiting = vec![("other", turns.wait(prefix(3), newest(3), now))];
        waiting.push(("again", turns.wait(prefix(1), newest(1), now)));
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["other", "again"]);
    }

    #[test]
    fn strangers_who_open_spend_nothing_of_what_resumes_need() {
        let now = Instant::now();
        let mut turns = turns(Some(10), now);
        let mut waiting: Vec<_> = (0..50).map(|_| ("open", turns.wait(prefix(1), OPEN, now))).collect();
        waiting.push(("resume", turns.wait(prefix(1), session(1), now)));
        waiting.push(("legacy", turns.wait(prefix(1), Purpose::LegacyOpen(Side::Client), now)));
        let mut order = rounds(&mut turns, &mut waiting, now);
        order.sort_unstable();
        assert_eq!(order, ["legacy", "open", "resume"], "ten in a second, and one at once");

        let later = now + Duration::from_millis(100);
        assert_eq!(rounds(&mut turns, &mut waiting, later), ["open"]);
    }

    #[test]
    fn a_port_without_room_keeps_the_other_one_waiting_for_nothing() {
        for (room, expected) in [
            (PerSide { client: 0, server: 2 }, &["resume", "to server", "legacy to server"][..]),
            (PerSide { client: 2, server: 0 }, &["to client", "resume", "legacy to client"]),
            (PerSide { client: 0, server: 0 }, &["resume"]),
            (PerSide { client: 1, server: 1 }, &["to client", "resume", "to server"]),
        ] {
            let now = Instant::now();
            let mut turns = turns(None, now);
            let mut waiting = [
                ("to client", OPEN),
                ("resume", session(1)),
                ("to server", Purpose::Open(Side::Server)),
                ("legacy to client", Purpose::LegacyOpen(Side::Client)),
                ("legacy to server", Purpose::LegacyOpen(Side::Server)),
            ]
            .map(|(name, purpose)| (name, turns.wait(prefix(1), purpose, now)));
            // So much time that everybody may have a turn in one round.
            turns.give(now + Duration::from_secs(1), room);
            assert_eq!(told(&mut waiting), expected, "{room:?}");
        }
    }

    #[test]
    fn a_round_answers_no_more_opens_than_there_is_room_for() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let gone = turns.wait(prefix(1), OPEN, now);
        let mut waiting: Vec<_> = (0..50).map(|_| ("open", turns.wait(prefix(1), OPEN, now))).collect();
        drop(gone);
        turns.give(now + Duration::from_secs(1), PerSide { client: 3, server: 9 });
        assert_eq!(told(&mut waiting), ["open"; 3], "whoever has gone takes no room");
    }

    #[test]
    fn those_who_have_gone_do_not_pile_up_while_nobody_gets_a_turn() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        let mut waiting: Vec<_> = (0..100).map(|_| ("there", turns.wait(prefix(1), OPEN, now))).collect();
        for id in 0..10_000 {
            drop(turns.wait(prefix(2), OPEN, now));
            drop(turns.wait(prefix(2), newest(id), now));
        }
        let left = turns.places();
        assert!(left <= 200, "{left}");
        assert_eq!(rounds(&mut turns, &mut waiting, now).len(), 100);
    }

    #[test]
    fn whoever_has_gone_spends_nothing_of_what_may_be_computed() {
        let now = Instant::now();
        let mut turns = turns(Some(1), now);
        drop(turns.wait(prefix(1), session(1), now));
        assert!(!turns.give(now, ROOM));
        let mut waiting = [("there", turns.wait(prefix(1), session(2), now))];
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["there"], "one in a second");
    }

    #[test]
    fn whoever_has_gone_is_passed_over() {
        let now = Instant::now();
        let mut turns = turns(None, now);
        drop(turns.wait(prefix(1), OPEN, now));
        let mut waiting = [("there", turns.wait(prefix(1), OPEN, now))];
        assert_eq!(rounds(&mut turns, &mut waiting, now), ["there"]);
        assert!(!turns.anybody_waits());
    }
}
