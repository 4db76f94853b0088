//! Turns that are to come, and where the newest resume of a session waits for its own.
//!
//! A player who changes networks resumes again from the new one. The newest resume of a session waits in the place of the
//! older ones, and in its own network as well, whose turn may come earlier. A forged or repeated resume is never one of these,
//! and a place passes on within a session alone. So nobody has more turns than before, and no other session has fewer.

use std::cell::RefCell;
use std::rc::Rc;

use fastway_service::AddressPrefix;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::mux::routing::LinkAddr;

/// Address prefixes in which a session waits at most: where its peer was first, and where it has gone. At a third one it only
/// goes on waiting at these, so that one session does not fill the queue.
const PLACES_PER_SESSION: usize = 2;

/// A turn that is to come. It may wait at several places, and comes once.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// Who is told; `None`: it has come.
    tell: Rc<RefCell<Option<oneshot::Sender<()>>>>,
    /// The session, if it is the turn of its newest resume.
    of_newest: Option<LinkAddr>,
}

/// The newest resumes of sessions, as long as their turns are to come.
#[derive(Debug, Default)]
pub(super) struct NewestResumes(FxHashMap<LinkAddr, NewestResume>);

#[derive(Debug)]
struct NewestResume {
    turn: Turn,
    /// Where it waits.
    prefixes: Vec<AddressPrefix>,
}

impl Turn {
    /// The turn of a handshake that has one place.
    pub(super) fn new(tell: oneshot::Sender<()>) -> Self {
        Self { tell: Rc::new(RefCell::new(Some(tell))), of_newest: None }
    }

    /// The session, if it is the turn of its newest resume.
    pub(super) fn of_newest(&self) -> Option<LinkAddr> {
        self.of_newest
    }

    /// Says that it has come; false if it came before, or whoever waited has gone.
    pub(super) fn give(&self) -> bool {
        self.tell.take().is_some_and(|tell| tell.send(()).is_ok())
    }

    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.tell.borrow().as_ref().is_some_and(|tell| !tell.is_closed())
    }
}

impl NewestResumes {
    /// The newest resume of a session waits in the place of the one before, whose peer finds its own wait over. Returns its turn
    /// if it is to wait at this prefix, too.
    #[must_use]
    pub(super) fn wait(&mut self, link: LinkAddr, prefix: AddressPrefix, tell: oneshot::Sender<()>) -> Option<Turn> {
        let new = || NewestResume {
            turn: Turn { tell: Rc::default(), of_newest: Some(link) },
            prefixes: Vec::with_capacity(PLACES_PER_SESSION),
        };
        let newest = self.0.entry(link).or_insert_with(new);
        newest.turn.tell.replace(Some(tell));

        let is_further = newest.prefixes.len() < PLACES_PER_SESSION && !newest.prefixes.contains(&prefix);
        is_further.then(|| {
            newest.prefixes.push(prefix);
            newest.turn.clone()
        })
    }

    /// The turn of a session's newest resume has come at one of its places. At the others it is of no use any more, unless
    /// another resume is the newest by now.
    pub(super) fn turn_has_come(&mut self, link: LinkAddr) {
        if self.0.get(&link).is_some_and(|newest| newest.turn.tell.borrow().is_none()) {
            self.0.remove(&link);
        }
    }

    /// Those who have gone wait at none of their places any more.
    pub(super) fn forget_gone(&mut self) {
        self.0.retain(|_, newest| newest.turn.is_awaited());
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
