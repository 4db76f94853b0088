//! What a worker knows of sessions beside their links: which owe an acknowledgement, and which are over.

use std::collections::VecDeque;
use std::time::Instant;

use fastway_session::{End, Session};

use super::ended::{Ended, EndedSessions};
use crate::config::SessionConfig;
use crate::routing::LinkAddr;

/// The sessions of one worker.
#[derive(Debug, Default)]
pub(super) struct LocalSessions {
    /// Sessions that owe an acknowledgement, and when it is due; the earliest first.
    acks_due: VecDeque<(Instant, LinkAddr)>,
    /// Sessions that are over, and are found for a while.
    ended: EndedSessions,
}

impl LocalSessions {
    /// A session owes an acknowledgement. All have the same time for it, so this one is due last.
    pub(super) fn schedule_ack(&mut self, at: Instant, link: LinkAddr) {
        self.acks_due.push_back((at, link));
    }

    /// The sessions that owe one.
    pub(super) fn scheduled_acks(&self) -> usize {
        self.acks_due.len()
    }

    /// Takes the next session whose acknowledgement is due by then.
    pub(super) fn next_ack(&mut self, until: Instant) -> Option<LinkAddr> {
        let (_, link) = self.acks_due.pop_front_if(|(at, _)| *at <= until)?;
        Some(link)
    }

    /// Keeps a session that is over: one that ended in good order for the time of a handshake, any other one for as long
    /// as it may wait. Returns the one that is forgotten for it, if there are too many.
    pub(super) fn keep_ended(
        &mut self,
        addr: LinkAddr,
        session: Session,
        times: SessionConfig,
        now: Instant,
    ) -> Option<LinkAddr> {
        let SessionConfig { handshake_time, wait, .. } = times;
        let time = if session.end() == Some(End::Closed) { handshake_time.unwrap_or(wait) } else { wait };
        self.ended.keep(Ended { addr, session, until: now + time })
    }

    /// The session, now over, of a link that is gone.
    pub(super) fn ended(&mut self, addr: LinkAddr) -> Option<&mut Session> {
        self.ended.find(addr).map(|ended| &mut ended.session)
    }

    /// Forgets an ended session whose time is over, and says which.
    pub(super) fn forget_late(&mut self, now: Instant) -> Option<LinkAddr> {
        self.ended.forget_late(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fastway_session::{AbortReason, LegacyConfig};

    use super::*;
    use crate::routing::{LinkId, Slot, WorkerId};

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: SessionConfig = SessionConfig {
        legacy_encrypt: false,
        legacy_replay_bytes: 0,
        handshake_time: Some(Duration::from_secs(5)),
        wait: Duration::from_secs(60),
    };

    fn link(id: u32) -> LinkAddr {
        LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) }
    }

    fn aborted(now: Instant) -> Session {
        let config = LegacyConfig { encrypt: false, replay_bytes: 0 };
        let mut session = Session::legacy(config, SECOND, now);
        session.abort(AbortReason::Shutdown);
        session
    }

    #[test]
    fn acknowledgements_are_taken_when_they_are_due_the_earliest_first() {
        let (mut sessions, start) = (LocalSessions::default(), Instant::now());
        for id in 1..=3 {
            sessions.schedule_ack(start + SECOND * id, link(id));
        }
        let mut due = |seconds| {
            let until = start + SECOND * seconds;
            std::iter::from_fn(|| sessions.next_ack(until)).collect::<Vec<_>>()
        };
        assert_eq!(due(0), []);
        assert_eq!(due(2), [link(1), link(2)]);
        assert_eq!(due(9), [link(3)]);
        assert_eq!(sessions.scheduled_acks(), 0);
    }

    #[test]
    fn an_aborted_session_is_found_for_as_long_as_it_might_have_waited() {
        let (mut sessions, start) = (LocalSessions::default(), Instant::now());
        assert_eq!(sessions.keep_ended(link(1), aborted(start), TIMES, start), None);
        assert_eq!(sessions.forget_late(start + SECOND * 59), None);
        assert!(sessions.ended(link(1)).is_some() && sessions.ended(link(2)).is_none());
        assert_eq!(sessions.forget_late(start + SECOND * 60), Some(link(1)));
        assert!(sessions.ended(link(1)).is_none());
    }

    #[test]
    fn the_oldest_session_that_is_over_is_forgotten_for_the_newest_one() {
        let (mut sessions, start) = (LocalSessions::default(), Instant::now());
        let forgotten: Vec<_> =
            (1..=1026).filter_map(|id| sessions.keep_ended(link(id), aborted(start), TIMES, start)).collect();
        assert_eq!(forgotten, [link(1), link(2)]);
    }
}
