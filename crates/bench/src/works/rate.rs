//! `rate`: players send on a fixed schedule, servers send it back; latency counts from the scheduled time.

use serde::Serialize;

use super::traffic::carry;
use crate::load::{Direction, Fault, Flow, Layout, Pacing, Traffic};
use crate::session::{Findings, Session};

/// An open loop: a gateway that pauses delays every message that was due meanwhile, and all of them count.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rate {
    pub(crate) links: u32,
    /// On each link.
    pub(crate) connections: u32,
    pub(crate) servers: u32,
    /// Bytes of a payload.
    pub(crate) size: u32,
    /// Messages a second, of all links together.
    pub(crate) rate: f64,
}

impl Rate {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        carry(session, self.layout(), self.traffic())
    }

    pub(super) const fn layout(&self) -> Layout {
        Layout { players: self.links, connections: self.connections, servers: self.servers }
    }

    pub(super) fn traffic(&self) -> Traffic {
        let flow = Flow { direction: Direction::Up, bytes: self.size, ticks_per_second: self.rate, burst: 1 };
        Traffic { answered: true, pacing: Pacing::Plan(vec![flow]) }
    }
}
