//! `stall`: what the others notice of a peer that misbehaves.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Rate;
use super::misbehaviour::{Kind, Misbehaviour};
use crate::load::{Fault, Stats};
use crate::outcome::{Plots, float, micros};
use crate::session::{Findings, Session};

/// How long the open loop goes on undisturbed, and then disturbed, before it is undisturbed again. What the machine itself
/// adds to latencies comes and goes; in turns it meets both alike.
const TURN: Duration = Duration::from_millis(500);

/// An open loop beside a misbehaving peer that comes and goes: undisturbed and disturbed for half of the time each.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stall {
    /// What the others do.
    #[serde(flatten)]
    pub(crate) base: Rate,
    pub(crate) trouble: Kind,
}

impl Stall {
    pub(crate) fn run(&self, mut session: Session<'_>) -> Result<Findings, Fault> {
        let parts = turns(session.settings.time);
        let mut misbehaviour = None;
        let mut done = 0;
        let (addrs, seed) = (&session.gateway.addrs, session.settings.seed);
        let mut on_part = |part| {
            done += misbehaviour.take().map_or(Ok(0), Misbehaviour::stop)?;
            if is_disturbed(part) {
                misbehaviour = Some(Misbehaviour::start(self.trouble, addrs, seed)?);
            }
            Ok(())
        };
        let recorded = session.load(self.base.layout(), self.base.traffic(), parts, &mut on_part)?;
        done += misbehaviour.map_or(Ok(0), Misbehaviour::stop)?;
        let (alone, during) = (recorded.stats(|part| !is_disturbed(part)), recorded.stats(is_disturbed));
        let findings = recorded.findings(is_disturbed);
        let plots = Plots { alone: Some(alone.latency.clone()), ..findings.plots };
        Ok(Findings { details: details(&alone, &during, done), plots, ..findings })
    }
}

/// Undisturbed and disturbed parts in turn; as many of these as of those.
fn turns(time: Duration) -> Vec<Duration> {
    let pairs = u32::try_from(time.as_nanos() / (2 * TURN).as_nanos()).unwrap_or(u32::MAX).max(1);
    vec![time / (2 * pairs); 2 * pairs as usize]
}

fn is_disturbed(part: usize) -> bool {
    part % 2 == 1
}

fn details(alone: &Stats, during: &Stats, done: u64) -> Map<String, Value> {
    let at = |stats: &Stats, quantile| stats.latency.value_at_quantile(quantile);
    let mut details = Map::new();
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let (alone, during) = (at(alone, quantile), at(during, quantile));
        let ratio = float(during) / float(alone.max(1));
        details.insert(format!("{name}_us_alone"), json!(micros(alone)));
        details.insert(format!("{name}_us_during"), json!(micros(during)));
        details.insert(format!("{name}_ratio"), json!((ratio * 100.0).round() / 100.0));
    }
    details.insert("trouble_bytes".to_owned(), json!(done));
    details
}
