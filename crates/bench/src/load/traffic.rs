//! Who sends what, and when.

use super::connections::{Arrival, Connection, Connections, Direction};
use super::net::Net;
use super::schedule::Schedule;
use super::stats::Stats;
use super::stream::Flying;
use super::table::Key;

/// The load of a run.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// Servers send every message back, as long as it came.
    pub(crate) answered: bool,
    pub(crate) pacing: Pacing,
}

#[derive(Clone, Debug)]
pub(crate) enum Pacing {
    /// Closed loop: each connection has `window` messages in flight; one that arrived lets the next one go.
    Window { direction: Direction, window: u32, bytes: u32 },
    /// Open loop: messages leave when they are due, whatever became of the others.
    Plan(Vec<Flow>),
}

/// One kind of message of an open loop; the connections take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) direction: Direction,
    pub(crate) bytes: u32,
    pub(crate) ticks_per_second: f64,
    /// Messages at each tick.
    pub(crate) burst: u32,
}

impl Traffic {
    /// Bytes of the longest payload.
    pub(crate) fn longest(&self) -> u32 {
        match &self.pacing {
            Pacing::Window { bytes, .. } => *bytes,
            Pacing::Plan(flows) => flows.iter().map(|flow| flow.bytes).max().unwrap_or(0),
        }
    }
}

/// Sends the load of a run.
#[derive(Debug)]
pub(crate) struct Sender {
    answered: bool,
    pacing: Pacing,
    /// Of an open loop: one for each flow.
    plan: Vec<Planned>,
    stopped: bool,
}

#[derive(Debug)]
struct Planned {
    flow: Flow,
    schedule: Schedule,
    turn: u64,
}

impl Sender {
    /// Begins at `now`: a closed loop sends its windows, an open loop starts its schedules.
    pub(crate) fn start(traffic: Traffic, now: u64, connections: &mut Connections, net: &mut Net) -> Self {
        let plan = match &traffic.pacing {
            Pacing::Plan(flows) => flows.iter().map(|flow| Planned::new(*flow, now)).collect(),
            Pacing::Window { direction, window, bytes } => {
                for connection in connections.keys() {
                    for _ in 0..*window {
                        connections.send(net, connection, *direction, Flying { since: now, bytes: *bytes });
                    }
                }
                Vec::new()
            }
        };
        Self { answered: traffic.answered, pacing: traffic.pacing, plan, stopped: false }
    }

    /// Sends nothing new from now on; answers are still given.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// When the next message is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.plan.iter().map(|planned| planned.schedule.next()).min().filter(|_| !self.stopped)
    }

    /// Sends what is due at `now`, and notes by how much it is late.
    pub(crate) fn send_due(
        &mut self,
        now: u64,
        connections: &mut Connections,
        net: &mut Net,
        stats: Option<&mut Stats>,
    ) {
        if self.stopped {
            return;
        }
        let mut stats = stats;
        for planned in &mut self.plan {
            while let Some(due) = planned.schedule.take_due(now) {
                let Some(connection) = connections.in_turn(planned.turn) else { return };
                planned.turn += 1;
                connections.send(
                    net,
                    connection,
                    planned.flow.direction,
                    Flying { since: due, bytes: planned.flow.bytes },
                );
                if let Some(stats) = stats.as_mut().filter(|stats| stats.covers(due)) {
                    stats.lag.saturating_record(now - due);
                }
            }
        }
    }

    /// Answers what arrived, or sends the next; gives since when the message was in flight, once it is at its
    /// end.
    #[inline]
    pub(crate) fn arrived(
        &self,
        now: u64,
        arrival: Arrival,
        connections: &mut Connections,
        net: &mut Net,
    ) -> Option<u64> {
        let Arrival { connection, direction, frame } = arrival;
        if self.answered && direction == Direction::Up {
            connections.send(net, connection, Direction::Down, frame);
            return None;
        }
        self.send_next(now, connection, connections, net);
        Some(frame.since)
    }

    #[inline]
    fn send_next(&self, now: u64, connection: Key<Connection>, connections: &mut Connections, net: &mut Net) {
        if let Pacing::Window { direction, bytes, .. } = self.pacing
            && !self.stopped
        {
            connections.send(net, connection, direction, Flying { since: now, bytes });
        }
    }
}

impl Planned {
    fn new(flow: Flow, now: u64) -> Self {
        Self { flow, schedule: Schedule::new(now, flow.ticks_per_second, flow.burst), turn: 0 }
    }
}
