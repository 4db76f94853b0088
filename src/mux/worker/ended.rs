//! Sessions that are over, and whose peers may come once more to learn of it.

use std::collections::VecDeque;
use std::time::Instant;

use fastway_session::{End, Session};

use crate::mux::config::SessionConfig;
use crate::mux::routing::LinkAddr;

/// Sessions of each kind of end that a worker keeps.
const MOST_KEPT: usize = 1024;

/// A session that is over.
#[derive(Debug)]
struct Ended {
    /// The link that it had.
    addr: LinkAddr,
    session: Session,
    /// When it is forgotten.
    until: Instant,
}

/// The ended sessions of a worker, those first that are forgotten first. Many that end in good order do not push out those that
/// were aborted.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    /// In good order: the peer may have missed the last acknowledgement.
    closed: VecDeque<Ended>,
    /// By this end: the peer may not have heard why.
    aborted: VecDeque<Ended>,
}

impl EndedSessions {
    /// Keeps a session: one that ended in good order for the time of a handshake, any other one for as long as it may wait.
    /// Returns the one that is forgotten for it, if there are too many: the one that would be forgotten next.
    pub(super) fn keep(
        &mut self,
        addr: LinkAddr,
        session: Session,
        times: SessionConfig,
        now: Instant,
    ) -> Option<LinkAddr> {
        let SessionConfig { handshake_time, wait, .. } = times;
        let (queue, time) = match session.end() {
            Some(End::Closed) => (&mut self.closed, handshake_time.unwrap_or(wait)),
            _ => (&mut self.aborted, wait),
        };
        // Most go last: only a session of the other port, or one from before a change of the settings, has another time.
        let until = now + time;
        let place = queue.partition_point(|other| other.until <= until);
        queue.insert(place, Ended { addr, session, until });

        let next = if queue.len() > MOST_KEPT { queue.pop_front() } else { None };
        next.map(|ended| ended.addr)
    }

    /// The session of a link that is gone.
    pub(super) fn find(&mut self, addr: LinkAddr) -> Option<&mut Session> {
        let mut all = self.closed.iter_mut().chain(&mut self.aborted);
        all.find(|ended| ended.addr == addr).map(|ended| &mut ended.session)
    }

    /// Forgets a session whose time is over, and says which.
    pub(super) fn forget_late(&mut self, now: Instant) -> Option<LinkAddr> {
        let is_late = |next: &mut Ended| next.until <= now;
        let late = self.closed.pop_front_if(is_late).or_else(|| self.aborted.pop_front_if(is_late));
        late.map(|ended| ended.addr)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fastway_session::{AbortReason, LegacyConfig};

    use super::*;
    use crate::mux::routing::{LinkId, Slot, WorkerId};

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
    fn an_aborted_session_is_found_for_as_long_as_it_might_have_waited() {
        let (mut ended, start) = (EndedSessions::default(), Instant::now());
        assert_eq!(ended.keep(link(1), aborted(start), TIMES, start), None);
        assert_eq!(ended.forget_late(start + SECOND * 59), None);
        assert!(ended.find(link(1)).is_some() && ended.find(link(2)).is_none());
        assert_eq!(ended.forget_late(start + SECOND * 60), Some(link(1)));
        assert!(ended.find(link(1)).is_none());
    }

    #[test]
    fn each_ended_session_is_forgotten_at_its_own_time() {
        let (mut ended, start) = (EndedSessions::default(), Instant::now());
        for (id, seconds) in [(1, 60), (2, 5), (3, 30), (4, 5)] {
            let times = SessionConfig { wait: SECOND * seconds, ..TIMES };
            assert_eq!(ended.keep(link(id), aborted(start), times, start), None);
        }
        for (seconds, forgotten) in [(4, &[][..]), (5, &[2, 4]), (29, &[]), (30, &[3]), (60, &[1])] {
            let late: Vec<_> = std::iter::from_fn(|| ended.forget_late(start + SECOND * seconds)).collect();
            assert_eq!(late, forgotten.iter().map(|id| link(*id)).collect::<Vec<_>>(), "after {seconds} s");
        }
    }

    #[test]
    fn the_oldest_session_that_is_over_is_forgotten_for_the_newest_one() {
        let (mut ended, start) = (EndedSessions::default(), Instant::now());
        let forgotten: Vec<_> =
            (1..=1026).filter_map(|id| ended.keep(link(id), aborted(start), TIMES, start)).collect();
        assert_eq!(forgotten, [link(1), link(2)]);
    }
}
