//! `push`: servers send to players, who only listen.

use serde::Serialize;

use super::traffic::carry;
use crate::load::{Direction, Fault, Flow, Layout, Pacing, Traffic};
use crate::session::{Findings, Session};

/// One direction, on a schedule or as fast as it goes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Push {
    pub(crate) links: u32,
    pub(crate) servers: u32,
    /// Bytes of a payload.
    pub(crate) size: u32,
    /// Messages a second, of all links together; `None`: as fast as it goes.
    pub(crate) rate: Option<f64>,
    /// Without a rate: messages in flight on each connection. It keeps a gateway's queues in bounds, so that what is
    /// measured is its speed and not how it treats those who are slow.
    pub(crate) window: u32,
}

impl Push {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let layout = Layout { players: self.links, connections: 1, servers: self.servers };
        let (direction, bytes) = (Direction::Down, self.size);
        let pacing = match self.rate {
            Some(rate) => Pacing::Plan(vec![Flow { direction, bytes, ticks_per_second: rate, burst: 1 }]),
            None => Pacing::Window { direction, window: self.window, bytes },
        };
        carry(session, layout, Traffic { answered: false, pacing })
    }
}
