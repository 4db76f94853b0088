//! The plots of one work, side by side for all gateways.

mod bars;
mod lines;
mod scale;
mod svg;

use hdrhistogram::Histogram;

use super::summary::{Row, cost, median, ratio};
use super::table::number;
use crate::load::{STEP, histogram};
use crate::outcome::{Outcome, float};
use bars::Bar;
use lines::{Axis, Series};
use scale::Scale;
pub(crate) use svg::escape;

/// A plot and the kind that its file is named after.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) kind: &'static str,
    pub(crate) svg: String,
}

/// The runs of one work with one gateway, in the order of the rounds.
pub(crate) struct Runs<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) outcomes: Vec<&'a Outcome>,
}

/// Everything that can be drawn of a work.
pub(crate) fn plots(runs: &[Runs<'_>]) -> Vec<Plot> {
    let beside = beside_trouble(runs);
    let latency = if beside.is_some() { None } else { latency(runs) };
    let drawn = [("stall", beside), ("latency", latency), ("throughput", throughput(runs)), ("cpu", costs(runs))];
    drawn.into_iter().filter_map(|(kind, svg)| Some(Plot { kind, svg: svg? })).collect()
}

/// Percentiles, ever further apart: the right half is the slowest hundredth.
fn latency(runs: &[Runs<'_>]) -> Option<String> {
    let of = |(colour, runs): (usize, &Runs<'_>)| Latencies {
        name: runs.gateway.to_owned(),
        colour,
        dashed: false,
        all: merged(runs, |run| run.plots.latency.as_ref()),
    };
    by_percentile("Latency", runs.iter().enumerate().map(of))
}

/// What the others notice of a peer that misbehaves: percentiles without it and beside it.
fn beside_trouble(runs: &[Runs<'_>]) -> Option<String> {
    let both = runs.iter().enumerate().flat_map(|(colour, runs)| {
        let alone = merged(runs, |run| run.plots.alone.as_ref());
        let during = merged(runs, |run| run.plots.alone.as_ref().and(run.plots.latency.as_ref()));
        [(alone, "alone", true), (during, "beside it", false)].map(|(all, when, dashed)| Latencies {
            name: format!("{} {when}", runs.gateway),
            colour,
            dashed,
            all,
        })
    });
    by_percentile("Latency beside the peer", both)
}

/// What the latencies of one line come from.
struct Latencies {
    name: String,
    colour: usize,
    dashed: bool,
    all: Histogram<u64>,
}

fn by_percentile(title: &str, latencies: impl Iterator<Item = Latencies>) -> Option<String> {
    let latencies: Vec<Latencies> = latencies.filter(|latencies| !latencies.all.is_empty()).collect();
    let fewest = latencies.iter().map(|latencies| latencies.all.len()).min()?;
    // Beyond that, a percentile would be told by a handful of messages.
    let nines = (float(fewest) / 10.0).log10().floor().clamp(1.0, 4.0);
    let series = latencies.into_iter().map(|Latencies { name, colour, dashed, all }| Series {
        name,
        colour,
        dashed,
        lines: vec![percentiles(&all, nines)],
    });
    let series: Vec<Series> = series.collect();
    let values = || series.iter().flat_map(|series| series.lines.iter().flatten()).map(|(_, micros)| *micros);
    let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let x = Axis {
        scale: Scale::Linear { from: 0.0, to: nines },
        name: "percentile of messages",
        ticks: percentile_ticks(nines),
    };
    let y = Axis::new(Scale::log(least.max(0.1), most), "log scale", time_label);
    Some(lines::draw(title, &x, &y, &series))
}

/// Points of `(nines, microseconds)`: 1 is the 90th percentile, 2 the 99th.
fn percentiles(all: &Histogram<u64>, nines: f64) -> Vec<(f64, f64)> {
    let steps = 120;
    let at = |step: u32| f64::from(step) / f64::from(steps) * nines;
    let value = |nines: f64| float(all.value_at_quantile(1.0 - 10_f64.powf(-nines))) / 1e3;
    (0..=steps).map(|step| (at(step), value(at(step)))).collect()
}

fn percentile_ticks(nines: f64) -> Vec<(f64, String)> {
    let ticks = [(0.0, "0"), (0.301, "50"), (1.0, "90"), (2.0, "99"), (3.0, "99.9"), (4.0, "99.99")];
    ticks.into_iter().filter(|(place, _)| *place <= nines).map(|(place, text)| (place, format!("{text} %"))).collect()
}

fn merged(runs: &Runs<'_>, of: impl Fn(&Outcome) -> Option<&Histogram<u64>>) -> Histogram<u64> {
    let mut all = histogram();
    for latency in runs.outcomes.iter().filter_map(|run| of(run)) {
        // All have the same bounds, so none is refused.
        let _ = all.add(latency);
    }
    all
}

/// One line for each round.
fn throughput(runs: &[Runs<'_>]) -> Option<String> {
    let series = runs.iter().enumerate().map(|(colour, runs)| rates(colour, runs));
    let series: Vec<Series> = series.filter(|series| !series.lines.is_empty()).collect();
    let points = || series.iter().flat_map(|series| series.lines.iter().flatten());
    let (time, most) = points().fold((0.0, 0.0), |(time, most), point| (point.0.max(time), point.1.max(most)));
    if most <= 0.0 {
        return None;
    }
    let x = Axis::new(Scale::Linear { from: 0.0, to: time }, "seconds, one line for each round", short);
    let y = Axis::new(Scale::from_zero(most), "frames per second", thousands);
    Some(lines::draw("Throughput", &x, &y, &series))
}

fn rates(colour: usize, runs: &Runs<'_>) -> Series {
    let line = |run: &&Outcome| {
        // The last step is seldom a whole one.
        let whole = run.plots.timeline.len().saturating_sub(1);
        let steps = run.plots.timeline.iter().take(whole).enumerate();
        let time = |step: usize| STEP.as_secs_f64() * (float(step as u64) + 0.5);
        steps.map(|(step, frames)| (time(step), float(*frames) / STEP.as_secs_f64())).collect::<Vec<_>>()
    };
    let lines = runs.outcomes.iter().map(line).filter(|line| line.len() > 1).collect();
    Series { name: runs.gateway.to_owned(), colour, dashed: false, lines }
}

fn costs(runs: &[Runs<'_>]) -> Option<String> {
    let first = &runs.first()?.outcomes;
    let bars = runs.iter().enumerate().filter_map(|(index, runs)| {
        let rounds: Vec<f64> = runs.outcomes.iter().filter_map(|run| cost(run)).collect();
        let ratio = ratio(&runs.outcomes, first).filter(|_| index > 0).map(|ratio| ratio.median);
        let median = median(rounds.iter().copied())?;
        Some(Bar { name: runs.gateway.to_owned(), colour: index, median, rounds, ratio })
    });
    let bars: Vec<Bar> = bars.collect();
    let frames = runs.iter().flat_map(|runs| &runs.outcomes).any(|run| run.cpu_us_per_frame.is_some());
    let (title, unit) = if frames { ("CPU time per frame", "µs") } else { ("Memory of a link", "bytes") };
    (!bars.is_empty()).then(|| bars::draw(title, unit, DOT, &bars))
}

/// What each work costs with each gateway but the first, in times of what it costs with that one.
pub(crate) fn overview(rows: &[Row], gateways: &[&str]) -> Option<String> {
    let first = gateways.first()?;
    let bars = rows.iter().filter_map(|row| {
        let ratio = row.ratio?;
        let colour = gateways.iter().position(|gateway| *gateway == row.gateway)?;
        let name = format!("{} · {}", row.work, row.gateway);
        Some(Bar { name, colour, median: ratio.median, rounds: vec![ratio.min, ratio.max], ratio: None })
    });
    let bars: Vec<Bar> = bars.collect();
    let title = format!("Cost in times of {first}");
    (!bars.is_empty()).then(|| bars::draw(&title, "times", "bar: median · dots: lowest and highest round", &bars))
}

const DOT: &str = "bar: median · dot: one round";

fn time_label(micros: f64) -> String {
    match micros {
        micros if micros >= 1e6 => format!("{} s", short(micros / 1e6)),
        micros if micros >= 1e3 => format!("{} ms", short(micros / 1e3)),
        micros => format!("{} µs", short(micros)),
    }
}

/// Without digits that say nothing.
fn short(value: f64) -> String {
    format!("{:.3}", value).trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn thousands(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", short(value / 1e6)),
        value if value >= 1e4 => format!("{}k", short(value / 1e3)),
        value => number(value),
    }
}
