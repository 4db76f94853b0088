//! `stall`: what the others notice of a peer that misbehaves.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Rate;
use super::trouble::{Kind, Trouble};
use crate::load::{Fault, Tally};
use crate::outcome::{float, micros};
use crate::session::{Findings, Session};

/// An open loop that first runs undisturbed and then beside the misbehaving peer, for half of the time each.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stall {
    /// What the others do.
    #[serde(flatten)]
    pub(crate) base: Rate,
    pub(crate) trouble: Kind,
}

impl Stall {
    pub(crate) fn run(&self, mut session: Session<'_>) -> Result<Findings, Fault> {
        let half = session.settings.time / 2;
        let mut trouble = None;
        let (doors, seed) = (&session.gateway.doors, session.settings.seed);
        let mut on_part = |part| {
            if part == 1 {
                trouble = Some(Trouble::start(self.trouble, doors, seed)?);
            }
            Ok(())
        };
        let recorded = session.load(self.base.layout(), self.base.traffic(), vec![half, half], &mut on_part)?;
        let done = trouble.map_or(Ok(0), Trouble::stop)?;
        let tallies: Vec<&Tally> = recorded.parts.iter().map(|part| &part.tally).collect();
        let [before, during] = tallies[..] else { return Ok(recorded.findings(1)) };
        Ok(Findings { details: details(before, during, done), ..recorded.findings(1) })
    }
}

fn details(before: &Tally, during: &Tally, done: u64) -> Map<String, Value> {
    let at = |tally: &Tally, quantile| tally.latency.value_at_quantile(quantile);
    let ratio = float(at(during, 0.99)) / float(at(before, 0.99).max(1));
    let details = [
        ("p50_us_before", json!(micros(at(before, 0.5)))),
        ("p99_us_before", json!(micros(at(before, 0.99)))),
        ("p50_us_during", json!(micros(at(during, 0.5)))),
        ("p99_us_during", json!(micros(at(during, 0.99)))),
        ("p99_ratio", json!((ratio * 100.0).round() / 100.0)),
        ("trouble_bytes", json!(done)),
    ];
    details.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}
