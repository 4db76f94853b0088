//! What people read on a terminal.

use super::summary::Row;
use super::table::{markdown, number};
use crate::outcome::{Outcome, float};

/// A generator this busy leaves a closed loop no room to be faster.
const AT_ITS_LIMIT: f64 = 0.95;

/// The table of a comparison: its head and its rows.
pub(crate) struct Table {
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

const HEAD: [&str; 8] = ["work", "gateway", "CPU µs/frame", "ratio", "p50 µs", "p99 µs", "frames/s", "memory MiB"];
/// Only where somebody knows it.
const ALLOCATED: &str = "allocated B/frame";

/// The table of a comparison or suite, and what is to be said about it.
pub(crate) fn comparison(rows: &[Row]) -> String {
    let table = table(rows);
    let mut text = markdown(&table.head, &table.rows, 2);
    for row in rows.iter().filter(|row| !row.details.is_empty()) {
        let details: Vec<String> = row.details.iter().map(|(key, value)| format!("{key} {}", number(*value))).collect();
        text.push_str(&format!("\n{} · {}: {}", row.work, row.gateway, details.join(", ")));
    }
    at_its_limit(rows).iter().for_each(|limit| text.push_str(&format!("\n{limit}")));
    text.trim_end().to_owned() + "\n"
}

/// A warning, if the generator could not have done more in some runs.
pub(crate) fn at_its_limit(rows: &[Row]) -> Option<String> {
    let busy: Vec<String> = rows.iter().filter(|row| row.generator_busy > AT_ITS_LIMIT).map(label).collect();
    (!busy.is_empty()).then(|| format!("{} {LIMIT}", busy.join(", ")))
}

const LIMIT: &str = "(generator): always busy, so frames/s and latency show its own limit; CPU per frame does not.";

fn label(row: &Row) -> String {
    format!("{} · {}", row.work, row.gateway)
}

pub(crate) fn table(rows: &[Row]) -> Table {
    let (mut head, mut cells) = (HEAD.to_vec(), rows.iter().map(cells).collect::<Vec<_>>());
    if rows.iter().any(|row| row.allocated_bytes_per_frame.is_some()) {
        head.push(ALLOCATED);
        cells.iter_mut().zip(rows).for_each(|(cells, row)| cells.push(shown(row.allocated_bytes_per_frame)));
    }
    Table { head, rows: cells }
}

/// A row of [`HEAD`]'s columns.
fn cells(row: &Row) -> Vec<String> {
    let ratio = row.ratio.map(|ratio| format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max));
    vec![
        row.work.clone(),
        row.gateway.clone(),
        shown(row.cpu_us_per_frame),
        ratio.unwrap_or_else(|| "–".to_owned()),
        shown(row.p50_us),
        shown(row.p99_us),
        shown(Some(row.frames_per_second).filter(|rate| *rate > 0.0)),
        shown(row.resident_bytes.map(|bytes| bytes / 1_048_576.0)),
    ]
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

/// One run, line by line.
pub(crate) fn single(outcome: &Outcome) -> String {
    let mut text = format!("{} · {} · {:.1} s\n", outcome.work, outcome.gateway, outcome.seconds);
    let mut add = |name: &str, value: String| text.push_str(&format!("  {name:<12}{value}\n"));
    if outcome.frames > 0 {
        let rate = number(outcome.frames_per_second);
        add("frames", format!("{} at {rate}/s, every one checked", number(float(outcome.frames))));
    }
    if let Some(latency) = outcome.latency_us {
        let percentiles = [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("p99.9", latency.p999)];
        let percentiles = percentiles.map(|(name, value)| format!("{name} {} ", number(value)));
        add("latency µs", format!("{} max {}", percentiles.join(" "), number(latency.max)));
    }
    if let Some(cpu) = outcome.cpu_us_per_frame {
        add("CPU", format!("{} µs per frame", number(cpu)));
    }
    if let Some(allocated) = outcome.allocated_bytes_per_frame {
        add("allocated", format!("{} bytes per frame", number(allocated)));
    }
    if let Some(process) = outcome.process {
        add(
            "memory",
            format!(
                "{} MiB resident, {} threads",
                number(float(process.resident_bytes) / 1_048_576.0),
                process.threads
            ),
        );
        let (waited, preempted) =
            (number(float(process.voluntary_switches)), number(float(process.involuntary_switches)));
        add("switches", format!("{waited} voluntary, {preempted} involuntary"));
    }
    for (key, value) in &outcome.details {
        add(&key.replace('_', " "), format!("  {}", value.as_f64().map_or_else(|| value.to_string(), number)));
    }
    let lag = outcome.generator.lag_us_p99.map(|lag| format!(", late by {} µs at p99", number(lag)));
    add("generator", format!("{:.0} % busy{}", outcome.generator.busy * 100.0, lag.unwrap_or_default()));
    add("seed", outcome.seed.to_string());
    text
}
