//! The rows of a comparison: medians over the rounds, and ratios within each of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::Bench;
use crate::outcome::{Outcome, float};

/// One work with one gateway, over all rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) gateway: String,
    pub(crate) rounds: usize,
    pub(crate) cpu_us_per_frame: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) frames_per_second: f64,
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) allocated_bytes_per_frame: Option<f64>,
    /// To the first gateway, in CPU per frame; where no frames are counted, in bytes per link.
    pub(crate) ratio: Option<Ratio>,
    /// Share of the time that the generator had something to do.
    pub(crate) generator_busy: f64,
    /// What only this work measures, as of its median round.
    pub(crate) details: BTreeMap<String, f64>,
}

/// A ratio in each round, and what became of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// One row for each work and gateway, in the order in which they were given.
pub(crate) fn rows(bench: &Bench, outcomes: &[Outcome]) -> Vec<Row> {
    let works = bench.works.iter().map(|work| work.name.as_str());
    let pairs = works.flat_map(|work| bench.gateways.iter().map(move |gateway| (work, gateway.name.as_str())));
    let rows = pairs.map(|(work, gateway)| row(bench, outcomes, work, gateway));
    // After a failure there are works that did not run.
    rows.filter(|row| row.rounds > 0).collect()
}

fn row(bench: &Bench, outcomes: &[Outcome], work: &str, gateway: &str) -> Row {
    let runs = runs(outcomes, work, gateway);
    let of = |value: &dyn Fn(&Outcome) -> Option<f64>| median(runs.iter().filter_map(|run| value(run)));
    let first = bench.gateways.first().map(|first| first.name.as_str()).filter(|first| *first != gateway);
    Row {
        work: work.to_owned(),
        gateway: gateway.to_owned(),
        rounds: runs.len(),
        cpu_us_per_frame: of(&|run| run.cpu_us_per_frame),
        p50_us: of(&|run| Some(run.latency_us?.p50)),
        p99_us: of(&|run| Some(run.latency_us?.p99)),
        frames_per_second: of(&|run| Some(run.frames_per_second)).unwrap_or(0.0),
        resident_bytes: of(&|run| Some(float(run.process?.resident_bytes))),
        allocated_bytes_per_frame: of(&|run| run.allocated_bytes_per_frame),
        ratio: first.and_then(|first| ratio(&runs, &self::runs(outcomes, work, first))),
        generator_busy: of(&|run| Some(run.generator.busy)).unwrap_or(0.0),
        details: details(&runs),
    }
}

/// In the order of the rounds.
fn runs<'a>(outcomes: &'a [Outcome], work: &str, gateway: &str) -> Vec<&'a Outcome> {
    outcomes.iter().filter(|outcome| outcome.work == work && outcome.gateway == gateway).collect()
}

/// Round by round.
pub(crate) fn ratio(own: &[&Outcome], first: &[&Outcome]) -> Option<Ratio> {
    let ratios = own.iter().zip(first).filter_map(|(own, first)| Some(cost(own)? / cost(first)?));
    let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
    let min = ratios.iter().copied().reduce(f64::min)?;
    let max = ratios.iter().copied().reduce(f64::max)?;
    Some(Ratio { median: median(ratios.into_iter())?, min, max })
}

/// What a gateway is judged by.
pub(crate) fn cost(run: &Outcome) -> Option<f64> {
    run.cpu_us_per_frame.or_else(|| run.details.get("bytes_per_link")?.as_f64())
}

fn details(runs: &[&Outcome]) -> BTreeMap<String, f64> {
    let keys = runs.first().into_iter().flat_map(|run| run.details.keys());
    keys.filter_map(|key| {
        let values = runs.iter().filter_map(|run| run.details.get(key)?.as_f64());
        Some((key.clone(), median(values)?))
    })
    .collect()
}

/// The middle value; of two, the mean of both.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([3.0].into_iter()), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0].into_iter()), Some(3.0));
    }
}
