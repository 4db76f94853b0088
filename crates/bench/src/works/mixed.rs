//! `mixed`: what a game does: many small messages up, bursts to everybody down, a large one now and then.

use serde::Serialize;

use super::traffic::carry;
use crate::load::{Direction, Fault, Flow, Layout, Pacing, Traffic};
use crate::session::{Findings, Session};

/// What a player's inputs, the state of the world, and a piece of its map weigh.
const INPUT_BYTES: u32 = 40;
const STATE_BYTES: u32 = 200;
const MAP_BYTES: u32 = 32 << 10;

/// Open loops of three kinds at once.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Mixed {
    pub(crate) links: u32,
    pub(crate) servers: u32,
    /// Inputs a second from each player.
    pub(crate) inputs: f64,
    /// Times a second that everybody gets the state at once.
    pub(crate) ticks: f64,
    /// Pieces of map a second, of all players together.
    pub(crate) maps: f64,
}

impl Mixed {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let layout = Layout { players: self.links, connections: 1, servers: self.servers };
        let inputs = self.inputs * f64::from(self.links);
        let flows = vec![
            Flow { direction: Direction::Up, bytes: INPUT_BYTES, ticks_per_second: inputs, burst: 1 },
            Flow { direction: Direction::Down, bytes: STATE_BYTES, ticks_per_second: self.ticks, burst: self.links },
            Flow { direction: Direction::Down, bytes: MAP_BYTES, ticks_per_second: self.maps, burst: 1 },
        ];
        carry(session, layout, Traffic { answered: false, pacing: Pacing::Plan(flows) })
    }
}
