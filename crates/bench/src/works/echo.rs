//! `echo`: players send, servers send it back, and what came back lets the next message go.

use serde::Serialize;

use super::traffic::carry;
use crate::load::{Direction, Fault, Layout, Pacing, Traffic};
use crate::session::{Findings, Session};

/// A closed loop.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Echo {
    pub(crate) links: u32,
    /// On each link.
    pub(crate) connections: u32,
    pub(crate) servers: u32,
    /// Bytes of a payload.
    pub(crate) size: u32,
    /// Messages in flight on each connection.
    pub(crate) window: u32,
}

impl Echo {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let layout = Layout { players: self.links, connections: self.connections, servers: self.servers };
        let pacing = Pacing::Window { direction: Direction::Up, window: self.window, bytes: self.size };
        carry(session, layout, Traffic { answered: true, pacing })
    }
}
