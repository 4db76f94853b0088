//! Back-pressure: links that feed something congested wait in its queue, and are not read.
//!
//! A queue exists from the moment that something is congested until all who waited are read again. They are resumed in
//! the order in which they came, a few each turn, so that they cannot fill the place up at one stroke.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::mux::routing::{LinkAddr, WorkerId};

/// Links of one queue that are resumed in a turn.
const RESUMED_PER_TURN: usize = 16;

/// What is congested, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bottleneck {
    /// The outbox of a server's link, here or on another worker.
    Server(LinkAddr),
    /// The way to another worker.
    Worker(WorkerId),
    /// The account of all bytes that are held for clients.
    Memory,
}

/// The queues in which links of one worker wait.
#[derive(Debug, Default)]
pub(super) struct BackpressureQueues {
    queues: FxHashMap<Bottleneck, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    congested: bool,
    waiting: VecDeque<LinkAddr>,
}

impl BackpressureQueues {
    /// Whether nothing is congested and nobody waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether something is congested.
    #[inline]
    pub(super) fn is_congested(&self, key: Bottleneck) -> bool {
        !self.queues.is_empty() && self.queues.get(&key).is_some_and(|queue| queue.congested)
    }

    /// Notes that something is congested.
    pub(super) fn congest(&mut self, key: Bottleneck) {
        self.queues.entry(key).or_default().congested = true;
    }

    /// Notes that there is room again; says whether anybody waited for it.
    #[inline]
    pub(super) fn uncongest(&mut self, key: Bottleneck) -> bool {
        if self.queues.is_empty() {
            return false;
        }

        match self.queues.get_mut(&key) {
            Some(queue) if queue.waiting.is_empty() => {
                self.queues.remove(&key);
                false
            }
            Some(queue) => {
                queue.congested = false;
                true
            }
            None => false,
        }
    }

    /// Has a link wait until there is room.
    pub(super) fn wait(&mut self, key: Bottleneck, source: LinkAddr) {
        self.queues.entry(key).or_default().waiting.push_back(source);
    }

    /// Takes the next links out of every queue whose place has room.
    pub(super) fn resume_readers(&mut self, resume: impl FnMut(LinkAddr)) {
        if self.queues.is_empty() {
            return;
        }
        let mut resume = resume;
        self.queues.retain(|_, queue| {
            if !queue.congested {
                let count = queue.waiting.len().min(RESUMED_PER_TURN);
                queue.waiting.drain(..count).for_each(&mut resume);
            }
            queue.congested || !queue.waiting.is_empty()
        });
    }

    /// Who waits, and for what.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (LinkAddr, Bottleneck)> + '_ {
        self.queues.iter().flat_map(|(key, queue)| queue.waiting.iter().map(|link| (*link, *key)))
    }

    /// Whether somebody waits to be resumed.
    pub(super) fn any_to_resume(&self) -> bool {
        self.queues.values().any(|queue| !queue.congested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::routing::{LinkId, Slot};

    fn link(id: u32) -> LinkAddr {
        LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) }
    }

    fn resumed(queues: &mut BackpressureQueues) -> Vec<LinkAddr> {
        let mut resumed = Vec::new();
        queues.resume_readers(|link| resumed.push(link));
        resumed
    }

    const KEY: Bottleneck = Bottleneck::Worker(WorkerId::new(1));

    #[test]
    fn those_who_wait_are_resumed_in_order_a_few_at_a_time() {
        let mut queues = BackpressureQueues::default();
        queues.congest(KEY);
        (0..40).for_each(|id| queues.wait(KEY, link(id)));
        assert!(resumed(&mut queues).is_empty());
        assert!(queues.uncongest(KEY));
        let turns: Vec<Vec<LinkAddr>> = (0..3).map(|_| resumed(&mut queues)).collect();
        assert_eq!(turns.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
        assert_eq!(turns.concat(), (0..40).map(link).collect::<Vec<_>>());
        assert!(queues.is_empty());
    }

    #[test]
    fn what_is_congested_again_keeps_the_rest_waiting() {
        let mut queues = BackpressureQueues::default();
        queues.congest(KEY);
        (0..20).for_each(|id| queues.wait(KEY, link(id)));
        queues.uncongest(KEY);
        resumed(&mut queues);
        queues.congest(KEY);
        assert!(queues.is_congested(KEY) && resumed(&mut queues).is_empty() && !queues.any_to_resume());
        queues.uncongest(KEY);
        assert_eq!(resumed(&mut queues).len(), 4);
    }

    #[test]
    fn a_queue_that_nobody_waits_in_vanishes_with_the_congestion() {
        let mut queues = BackpressureQueues::default();
        queues.congest(KEY);
        assert!(queues.is_congested(KEY) && !queues.uncongest(KEY) && queues.is_empty());
    }
}
