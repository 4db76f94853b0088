//! What a comparison comes to, in sentences: for readers who want the result and not the measurements.

use super::machine::Machine;
use super::summary::Row;
use super::table::number;
use super::text;
use crate::cli::Bench;

/// The result in short, one statement each.
pub(crate) fn statements(bench: &Bench, rows: &[Row]) -> Vec<String> {
    let runs: usize = rows.iter().map(|row| row.rounds).sum();
    let delivered = format!(
        "In all {runs} runs every message arrived whole and in order; a run in which one did not would have failed."
    );
    let gateways = bench.gateways.iter().map(|gateway| gateway.name.as_str());
    let first = bench.gateways.first().map_or("", |first| first.name.as_str());
    let of = |gateway| rows.iter().filter(move |row: &&Row| row.gateway == gateway);
    let costs = gateways.clone().skip(1).filter_map(|gateway| against(gateway, first, of(gateway)));
    let memory = gateways.clone().filter_map(|gateway| memory(gateway, of(gateway)));
    let stalls = gateways.filter_map(|gateway| noticed(gateway, of(gateway)));
    std::iter::once(delivered).chain(costs).chain(memory).chain(stalls).collect()
}

/// Why the figures may say less than they seem to.
pub(crate) fn reservations(machine: &Machine, rows: &[Row]) -> Vec<String> {
    let (busy, limit) = (machine.busy(), text::at_its_limit(rows));
    busy.into_iter().chain(limit).collect()
}

/// What a message costs against the first gateway.
fn against<'a>(gateway: &str, first: &str, rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let rows = rows.filter(|row| row.cpu_us_per_frame.is_some());
    let ratios: Vec<(f64, &str)> = rows.filter_map(|row| Some((row.ratio?.median, row.work.as_str()))).collect();
    let least = ratios.iter().copied().min_by(|one, other| one.0.total_cmp(&other.0))?;
    let most = ratios.iter().copied().max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(match ratios.len() {
        1 => format!("{gateway} takes {:.2} times the CPU time of {first} for a message ({}).", least.0, least.1),
        works => format!(
            "{gateway} takes {:.2} ({}) to {:.2} times ({}) the CPU time of {first} for a message, over {works} works.",
            least.0, least.1, most.0, most.1
        ),
    })
}

fn memory<'a>(gateway: &str, mut rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let (work, bytes) = rows.find_map(|row| Some((&row.work, row.details.get("bytes_per_link")?)))?;
    Some(format!("A player who does nothing takes {} bytes of memory in {gateway} ({work}).", number(*bytes)))
}

/// What others notice of a peer that misbehaves.
fn noticed<'a>(gateway: &str, rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let both = rows.filter_map(|row| Some((row.details.get("p99_us_alone")?, row.details.get("p99_us_during")?, row)));
    let ratio = |alone: f64, during: f64| during / alone;
    let worst = both.max_by(|one, other| ratio(*one.0, *one.1).total_cmp(&ratio(*other.0, *other.1)));
    let (alone, during, row) = worst?;
    let ratio = ratio(*alone, *during);
    Some(format!(
        "Beside a peer that misbehaves, 99 % of the messages over {gateway} take at most {} µs instead of {} µs ({ratio:.2} \
         times, in the worst case: {}).",
        number(*during),
        number(*alone),
        row.work
    ))
}
