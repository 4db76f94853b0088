//! Back-pressure: sources wait before a gate while what is behind it is full.
//!
//! A gate exists from the moment that something is full until all who waited have been let through. They are let
//! through in the order in which they came, a few each turn, so that they cannot fill the place up at one stroke.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::routing::{LinkAddr, WorkerId};

/// Sources that one open gate lets through in a turn.
const LET_THROUGH_PER_TURN: usize = 16;

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateKey {
    /// The outbox of a server's link, here or on another worker.
    Server(LinkAddr),
    /// The way to another worker.
    Worker(WorkerId),
    /// The account of all bytes that are held for clients.
    Memory,
}

/// The gates before which links of one worker wait.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: FxHashMap<GateKey, Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    open: bool,
    waiting: VecDeque<LinkAddr>,
}

impl Gates {
    /// Whether nothing is full and nobody waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.gates.is_empty()
    }

    /// Whether what is behind the gate is full.
    #[inline]
    pub(super) fn is_closed(&self, key: GateKey) -> bool {
        !self.gates.is_empty() && self.gates.get(&key).is_some_and(|gate| !gate.open)
    }

    /// Notes that something is full.
    pub(super) fn close(&mut self, key: GateKey) {
        self.gates.entry(key).or_default().open = false;
    }

    /// Notes that there is room again; says whether anybody waited for it.
    #[inline]
    pub(super) fn open(&mut self, key: GateKey) -> bool {
        if self.gates.is_empty() {
            return false;
        }
        match self.gates.get_mut(&key) {
            Some(gate) if gate.waiting.is_empty() => {
                self.gates.remove(&key);
                false
            }
            Some(gate) => {
                gate.open = true;
                true
            }
            None => false,
        }
    }

    /// Has a link wait until there is room.
    pub(super) fn wait(&mut self, key: GateKey, source: LinkAddr) {
        self.gates.entry(key).or_default().waiting.push_back(source);
    }

    /// Lets the next sources through every open gate, and adds them to `through`.
    pub(super) fn let_through(&mut self, through: &mut Vec<LinkAddr>) {
        self.gates.retain(|_, gate| {
            if gate.open {
                let count = gate.waiting.len().min(LET_THROUGH_PER_TURN);
                through.extend(gate.waiting.drain(..count));
            }
            !gate.open || !gate.waiting.is_empty()
        });
    }

    /// Who waits, and before which gate.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (LinkAddr, GateKey)> + '_ {
        self.gates.iter().flat_map(|(key, gate)| gate.waiting.iter().map(|link| (*link, *key)))
    }

    /// Whether somebody waits before an open gate.
    pub(super) fn any_open(&self) -> bool {
        self.gates.values().any(|gate| gate.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{LinkId, Slot};

    fn link(id: u32) -> LinkAddr {
        LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(id as usize), id: LinkId::new(id) }
    }

    fn through(gates: &mut Gates) -> Vec<LinkAddr> {
        let mut through = Vec::new();
        gates.let_through(&mut through);
        through
    }

    const KEY: GateKey = GateKey::Worker(WorkerId::new(1));

    #[test]
    fn those_who_wait_are_let_through_in_order_a_few_at_a_time() {
        let mut gates = Gates::default();
        gates.close(KEY);
        (0..40).for_each(|id| gates.wait(KEY, link(id)));
        assert!(through(&mut gates).is_empty());
        assert!(gates.open(KEY));
        let turns: Vec<Vec<LinkAddr>> = (0..3).map(|_| through(&mut gates)).collect();
        assert_eq!(turns.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
        assert_eq!(turns.concat(), (0..40).map(link).collect::<Vec<_>>());
        assert!(gates.is_empty());
    }

    #[test]
    fn a_gate_that_closes_again_keeps_the_rest_waiting() {
        let mut gates = Gates::default();
        gates.close(KEY);
        (0..20).for_each(|id| gates.wait(KEY, link(id)));
        gates.open(KEY);
        through(&mut gates);
        gates.close(KEY);
        assert!(gates.is_closed(KEY) && through(&mut gates).is_empty() && !gates.any_open());
        gates.open(KEY);
        assert_eq!(through(&mut gates).len(), 4);
    }

    #[test]
    fn a_gate_that_nobody_waits_at_vanishes_when_it_opens() {
        let mut gates = Gates::default();
        gates.close(KEY);
        assert!(gates.is_closed(KEY) && !gates.open(KEY) && gates.is_empty());
    }
}
