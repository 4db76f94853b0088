//! What a run found: the line of `--json`, and the material of tables and plots.

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::target::Usage;

/// One run of one work against one gateway. `docs/benchmark.md` says what each key means.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) work: String,
    pub(crate) gateway: String,
    /// The flags of the work.
    pub(crate) parameters: Map<String, Value>,
    pub(crate) seed: u64,
    /// How long was recorded.
    pub(crate) seconds: f64,
    /// Frames that the gateway has carried.
    pub(crate) frames: u64,
    pub(crate) frames_per_second: f64,
    pub(crate) payload_bytes_per_second: f64,
    pub(crate) latency_us: Option<Latency>,
    /// User and system time of the gateway for each frame.
    pub(crate) cpu_us_per_frame: Option<f64>,
    pub(crate) process: Option<Process>,
    /// What the gateway has allocated for each frame.
    pub(crate) allocated_bytes_per_frame: Option<f64>,
    pub(crate) generator: Generator,
    /// What only this work measures.
    pub(crate) details: Map<String, Value>,
    #[serde(skip)]
    pub(crate) plots: Plots,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// The gateway's process over the recorded time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// The generator itself.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Generator {
    /// Share of the time that it had something to do.
    pub(crate) busy: f64,
    /// By how much messages left after their time; only where there is a schedule.
    pub(crate) lag_us_p99: Option<f64>,
    pub(crate) lag_us_max: Option<f64>,
}

/// What only plots need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plots {
    pub(crate) latency: Option<Histogram<u64>>,
    /// Latency without the peer that misbehaves, where there is one.
    pub(crate) alone: Option<Histogram<u64>>,
    /// Frames carried in each step of [`crate::load::STEP`].
    pub(crate) timeline: Vec<u64>,
}

impl Latency {
    /// `None` where nothing was recorded.
    pub(crate) fn of(nanos: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        (!nanos.is_empty()).then(|| Self {
            count: nanos.len(),
            min: micros(nanos.min()),
            mean: round(nanos.mean() / 1e3),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(nanos.max()),
        })
    }
}

impl Process {
    /// The difference of two looks at a process.
    pub(crate) fn between(before: &Usage, after: &Usage) -> Self {
        Self {
            cpu_seconds: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            resident_bytes: after.resident_bytes,
            threads: after.threads,
            voluntary_switches: after.voluntary_switches.saturating_sub(before.voluntary_switches),
            involuntary_switches: after.involuntary_switches.saturating_sub(before.involuntary_switches),
        }
    }

    /// This time and a later one together.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + later.cpu_seconds,
            voluntary_switches: self.voluntary_switches + later.voluntary_switches,
            involuntary_switches: self.involuntary_switches + later.involuntary_switches,
            ..later
        }
    }
}

impl Generator {
    pub(crate) fn of(busy: f64, lag: &Histogram<u64>) -> Self {
        let lag_at = |value: u64| (!lag.is_empty()).then(|| micros(value));
        Self {
            busy: (busy * 1e3).round() / 1e3,
            lag_us_p99: lag_at(lag.value_at_quantile(0.99)),
            lag_us_max: lag_at(lag.max()),
        }
    }
}

/// Nanoseconds as microseconds, to a tenth.
pub(crate) fn micros(nanos: u64) -> f64 {
    round(float(nanos) / 1e3)
}

/// A count for arithmetic; beyond 2^53 its last digits are lost.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// To a tenth.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
