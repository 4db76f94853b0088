//! Dials without an answer (`docs/protocol.md` §1.3).

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Dials without an answer at most. Further ones wait in the handles, so the list is bounded whatever the gateway does.
pub(super) const UNANSWERED_DIALS: usize = 16 << 10;

/// Dials without an answer, in the order in which they were sent. `A` is the answer.
#[derive(Debug)]
pub(super) struct Dials<A>(VecDeque<PendingDial<A>>);

#[derive(Debug)]
struct PendingDial<A> {
    remote: u32,
    dialer: oneshot::Sender<A>,
}

impl<A> Default for Dials<A> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<A> Dials<A> {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= UNANSWERED_DIALS
    }

    /// Whether exactly half of the bound is used: the moment to notify the handles that wait for room.
    pub(super) fn is_at_half(&self) -> bool {
        self.0.len() == UNANSWERED_DIALS / 2
    }

    /// Adds a dial, and returns where its answer will arrive.
    pub(super) fn push(&mut self, remote: u32) -> oneshot::Receiver<A> {
        let (dialer, answer) = oneshot::channel();
        self.0.push_back(PendingDial { remote, dialer });
        answer
    }

    /// Takes the oldest dial, if it was for `remote`: answers come in the order of the dials.
    pub(super) fn take(&mut self, remote: u32) -> Option<oneshot::Sender<A>> {
        self.0.pop_front_if(|dial| dial.remote == remote).map(|dial| dial.dialer)
    }

    /// Gives up all dials, but goes on expecting their answers. Dropping the result wakes the tasks that wait for them.
    pub(super) fn give_up(&mut self) -> Vec<oneshot::Sender<A>> {
        let closed = || oneshot::channel().0;
        self.0.iter_mut().map(|dial| std::mem::replace(&mut dial.dialer, closed())).collect()
    }
}
