//! The end of a drain: the links of all clients are closed, one after the other.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;

use super::core::Core;
use crate::mux::link::{CloseReason, State};
use crate::mux::routing::{LinkAddr, Role};

impl Core {
    /// Closes the links of all clients within `spread`, at times that are random and as far from each other on average: those
    /// of sessions last, since their clients may come back on their own until then.
    pub(super) fn close_clients(&mut self, spread: Duration) {
        let clients = self.links.iter().filter(|link| link.role == Role::Client && link.state == State::Open);
        let (mut order, mut sessions): (Vec<LinkAddr>, Vec<LinkAddr>) = (Vec::new(), Vec::new());
        for link in clients {
            if link.has_session() { sessions.push(link.addr) } else { order.push(link.addr) }
        }
        order.shuffle(&mut self.rng);
        sessions.shuffle(&mut self.rng);
        order.append(&mut sessions);

        let now = self.clock.read();
        let step = spread / u32::try_from(order.len().max(1)).unwrap_or(u32::MAX);
        let mut begin = now;
        for client in order {
            self.agenda.close_at(begin + step.mul_f64(self.rng.random()), client);
            begin += step;
        }
        self.request_wakeup();
    }

    /// The time of a client has come.
    pub(super) fn close_drained(&mut self, client: LinkAddr) {
        if self.links.at(client).is_some_and(|link| link.state == State::Open) {
            self.forwarding.close_connections(&mut self.links, client.slot, &self.clock);
            self.close_gently(client.slot, &CloseReason::Shutdown);
        }
    }

    /// Whether a drain has come so far that nobody new is taken in.
    pub(super) fn is_draining(&self) -> bool {
        !self.shared.drain.admits_newcomers()
    }
}
