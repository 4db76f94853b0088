//! Who sends what, and when.

use super::crowd::{Arrival, Connection, Crowd, Way};
use super::net::Net;
use super::schedule::Schedule;
use super::stream::Flying;
use super::table::Key;
use super::tally::Tally;

/// The load of a run.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// Servers send every message back, as long as it came.
    pub(crate) answered: bool,
    pub(crate) pacing: Pacing,
}

#[derive(Clone, Debug)]
pub(crate) enum Pacing {
    /// Closed loop: each connection has `window` messages under way; one that arrived lets the next one go.
    Window { way: Way, window: u32, bytes: u32 },
    /// Open loop: messages leave when they are due, whatever became of the others.
    Plan(Vec<Flow>),
}

/// One kind of message of an open loop; the connections take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) way: Way,
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
    pub(crate) fn start(traffic: Traffic, now: u64, crowd: &mut Crowd, net: &mut Net) -> Self {
        let plan = match &traffic.pacing {
            Pacing::Plan(flows) => flows.iter().map(|flow| Planned::new(*flow, now)).collect(),
            Pacing::Window { way, window, bytes } => {
                for connection in crowd.keys() {
                    for _ in 0..*window {
                        crowd.send(net, connection, *way, Flying { since: now, bytes: *bytes });
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
    pub(crate) fn send_due(&mut self, now: u64, crowd: &mut Crowd, net: &mut Net, tally: Option<&mut Tally>) {
        if self.stopped {
            return;
        }
        let mut tally = tally;
        for planned in &mut self.plan {
            while let Some(due) = planned.schedule.take_due(now) {
                let Some(connection) = crowd.in_turn(planned.turn) else { return };
                planned.turn += 1;
                crowd.send(net, connection, planned.flow.way, Flying { since: due, bytes: planned.flow.bytes });
                if let Some(tally) = tally.as_mut().filter(|tally| tally.covers(due)) {
                    tally.lag.saturating_record(now - due);
                }
            }
        }
    }

    /// Answers what arrived, or sends the next; gives the time since when the message was under way once it is at its
    /// end.
    #[inline]
    pub(crate) fn arrived(&self, now: u64, arrival: Arrival, crowd: &mut Crowd, net: &mut Net) -> Option<u64> {
        let Arrival { connection, way, frame } = arrival;
        if self.answered && way == Way::Up {
            crowd.send(net, connection, Way::Down, frame);
            return None;
        }
        self.send_next(now, connection, crowd, net);
        Some(frame.since)
    }

    #[inline]
    fn send_next(&self, now: u64, connection: Key<Connection>, crowd: &mut Crowd, net: &mut Net) {
        if let Pacing::Window { way, bytes, .. } = self.pacing
            && !self.stopped
        {
            crowd.send(net, connection, way, Flying { since: now, bytes });
        }
    }
}

impl Planned {
    fn new(flow: Flow, now: u64) -> Self {
        Self { flow, schedule: Schedule::new(now, flow.ticks_per_second, flow.burst), turn: 0 }
    }
}
