//! A work against a gateway, and how the outcome is put together.

use std::sync::atomic::AtomicBool;

use crate::load::Fault;
use crate::outcome::{Latency, Outcome, float};
use crate::progress::Progress;
use crate::session::{Findings, Session, Settings};
use crate::target::{Gateway, Named, TargetError};
use crate::works::Work;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("interrupted")]
    Interrupted,
    #[error("{work} with {gateway}: {reason}")]
    Run { work: String, gateway: String, reason: String },
    /// It says nothing about the gateway.
    #[error("{work} with {gateway}: {fault}")]
    Lagged { work: String, gateway: String, fault: Fault },
    #[error("{0}")]
    Other(String),
}

/// Runs `work` against a gateway.
pub(crate) fn measure(
    work: &Work,
    Named { name, source, allocations, players }: &Named,
    settings: Settings,
    progress: &mut Progress,
    interrupted: &AtomicBool,
) -> Result<Outcome, Failure> {
    let fail = |reason: String| Failure::Run { work: work.name.clone(), gateway: name.clone(), reason };
    let mut gateway = source.provide(*players, interrupted).map_err(|error| match error {
        TargetError::Interrupted => Failure::Interrupted,
        error => fail(error.to_string()),
    })?;
    progress.begin(&work.name, name);
    let session = Session { gateway: &gateway, allocations: allocations.as_ref(), settings, interrupted, progress };
    let result = work.run(session);
    progress.end();
    let findings = result.map_err(|fault| match fault {
        Fault::Interrupted => Failure::Interrupted,
        Fault::Lag { .. } => Failure::Lagged { work: work.name.clone(), gateway: name.clone(), fault },
        fault => fail(explain(&fault, &mut gateway)),
    })?;
    Ok(outcome(work, name, settings.seed, findings))
}

/// A gateway that has ended explains every broken link.
fn explain(fault: &Fault, gateway: &mut Gateway) -> String {
    let about_links = matches!(fault, Fault::Ended(_) | Fault::Link(..) | Fault::Open(..) | Fault::Kernel(_));
    match gateway.death().filter(|_| about_links) {
        Some(death) => format!("the gateway died: {death} (first seen: {fault})"),
        None => fault.to_string(),
    }
}

fn outcome(work: &Work, gateway: &str, seed: u64, findings: Findings) -> Outcome {
    let per_second = |count: u64| float(count) / findings.seconds.max(1e-9);
    let cpu = findings.process.filter(|_| findings.frames > 0);
    let allocated = findings.allocated_bytes.filter(|_| findings.frames > 0);
    Outcome {
        work: work.name.clone(),
        gateway: gateway.to_owned(),
        parameters: work.parameters(),
        seed,
        seconds: findings.seconds,
        frames: findings.frames,
        frames_per_second: per_second(findings.frames).round(),
        payload_bytes_per_second: per_second(findings.payload_bytes).round(),
        latency_us: findings.plots.latency.as_ref().and_then(Latency::of),
        cpu_us_per_frame: cpu.map(|process| process.cpu_seconds * 1e6 / float(findings.frames)),
        process: findings.process,
        allocated_bytes_per_frame: allocated.map(|bytes| float(bytes) / float(findings.frames)),
        generator: findings.generator,
        details: findings.details,
        plots: findings.plots,
    }
}
