//! Sessions that are over, and whose peers may come once more to learn of it.

use std::collections::VecDeque;
use std::time::Instant;

use fastway_session::{End, Session};

use crate::routing::LinkAddr;

/// Sessions of each kind of end that a worker keeps.
const MOST_KEPT: usize = 1024;

/// A session that is over.
#[derive(Debug)]
pub(super) struct Ended {
    /// The link that it had.
    pub(super) addr: LinkAddr,
    pub(super) session: Session,
    /// When it is forgotten.
    pub(super) until: Instant,
}

/// The ended sessions of a worker. Many that end in good order do not push out those that were aborted.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    /// In good order: the peer may have missed the last acknowledgement.
    closed: VecDeque<Ended>,
    /// By this end: the peer may not have heard why.
    aborted: VecDeque<Ended>,
}

impl EndedSessions {
    /// Keeps a session. Returns the one that is forgotten for it, if there are too many.
    pub(super) fn keep(&mut self, ended: Ended) -> Option<LinkAddr> {
        let queue = if ended.session.end() == Some(End::Closed) { &mut self.closed } else { &mut self.aborted };
        queue.push_back(ended);
        let oldest = if queue.len() > MOST_KEPT { queue.pop_front() } else { None };
        oldest.map(|ended| ended.addr)
    }

    /// The session of a link that is gone.
    pub(super) fn find(&mut self, addr: LinkAddr) -> Option<&mut Ended> {
        self.closed.iter_mut().chain(&mut self.aborted).find(|ended| ended.addr == addr)
    }

    /// Forgets a session whose time is over, and says which.
    pub(super) fn forget_late(&mut self, now: Instant) -> Option<LinkAddr> {
        let is_late = |oldest: &mut Ended| oldest.until <= now;
        let late = self.closed.pop_front_if(is_late).or_else(|| self.aborted.pop_front_if(is_late));
        late.map(|ended| ended.addr)
    }
}
