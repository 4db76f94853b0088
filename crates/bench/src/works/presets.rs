//! Works with a name: those of the published table.

use super::churn::Churn;
use super::echo::Echo;
use super::idle::Idle;
use super::large::Large;
use super::misbehaviour::Kind as MisbehaviourKind;
use super::mixed::Mixed;
use super::push::Push;
use super::rate::Rate;
use super::stall::Stall;
use super::work::{Kind, Work};

/// The works that a gateway is held against the yardstick with.
pub(crate) const GOALS: [&str; 7] = ["echo-w1", "echo-w32", "echo-conns", "open-loop", "push", "round-trip", "large"];

/// All that `suite` runs.
pub(crate) const SUITE: [&str; 15] = [
    "echo-w1",
    "echo-w32",
    "echo-conns",
    "open-loop",
    "push",
    "push-unpaced",
    "round-trip",
    "large",
    "mixed",
    "idle",
    "idle-dialed",
    "churn",
    "stall-stops-reading",
    "stall-floods",
    "stall-garbage",
];

/// The work called `name`.
pub(crate) fn preset(name: &str) -> Option<Work> {
    let echo = Echo { links: 100, connections: 1, servers: 1, size: 64, window: 1 };
    let push = Push { links: 100, servers: 1, size: 128, rate: Some(100_000.0), window: 256 };
    let kind = match name {
        "echo-w1" => Kind::Echo(echo),
        "echo-w32" => Kind::Echo(Echo { window: 32, ..echo }),
        "echo-conns" => Kind::Echo(Echo { links: 50, connections: 16, servers: 4, size: 200, window: 4 }),
        "round-trip" => Kind::Echo(Echo { links: 1, ..echo }),
        "open-loop" => Kind::Rate(Rate { links: 1000, connections: 1, servers: 1, size: 128, rate: 20_000.0 }),
        "push" => Kind::Push(push),
        "push-unpaced" => Kind::Push(Push { rate: None, ..push }),
        "large" => Kind::Large(Large { links: 8, size: 32 << 10, window: 8 }),
        "mixed" => Kind::Mixed(Mixed { links: 200, servers: 2, inputs: 10.0, ticks: 20.0, maps: 20.0 }),
        "idle" => Kind::Idle(Idle { links: 10_000, connections: 0 }),
        "idle-dialed" => Kind::Idle(Idle { links: 10_000, connections: 1 }),
        "churn" => Kind::Churn(Churn { at_once: 64 }),
        "stall-stops-reading" => stall(MisbehaviourKind::StopsReading),
        "stall-floods" => stall(MisbehaviourKind::Floods),
        "stall-garbage" => stall(MisbehaviourKind::Garbage),
        _ => return None,
    };
    Some(Work::new(name, kind))
}

fn stall(trouble: MisbehaviourKind) -> Kind {
    let base = Rate { links: 100, connections: 1, servers: 1, size: 128, rate: 5_000.0 };
    Kind::Stall(Stall { base, trouble })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_work() {
        for name in SUITE {
            assert_eq!(preset(name).map(|work| work.name).as_deref(), Some(name));
        }
        assert!(GOALS.iter().all(|name| SUITE.contains(name)));
    }
}
