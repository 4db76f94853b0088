//! All runs of an invocation: round after round, the gateways of each work in random order.

use std::sync::atomic::AtomicBool;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use crate::cli::{Bench, Heading};
use crate::measure::{Failure, measure};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Settings;
use crate::target::Named;
use crate::works::Work;

/// So often a run of a comparison is repeated in which the generator lagged.
const REPEATS: u32 = 3;

/// Runs everything; `each` gets every outcome as soon as it is there.
///
/// What a machine does besides changes within minutes, so gateways are compared within a round, and rounds with each
/// other only by what came out of that.
pub(crate) fn run(bench: &Bench, interrupted: &AtomicBool, each: &mut dyn FnMut(Outcome)) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let mut random = SmallRng::seed_from_u64(bench.settings.seed);
    for round in 0..bench.rounds {
        let settings = Settings { seed: bench.settings.seed.wrapping_add(round.into()), ..bench.settings };
        for work in &bench.works {
            let mut gateways: Vec<&Named> = bench.gateways.iter().collect();
            gateways.shuffle(&mut random);
            for gateway in gateways {
                each(attempt(bench, gateway, work, settings, &mut progress, interrupted)?);
            }
        }
    }
    Ok(())
}

/// A run in which the generator lagged says nothing, and the others are worth keeping: in a comparison it is repeated.
fn attempt(
    bench: &Bench,
    gateway: &Named,
    work: &Work,
    settings: Settings,
    progress: &mut Progress,
    interrupted: &AtomicBool,
) -> Result<Outcome, Failure> {
    let repeats = if bench.heading == Heading::Single { 0 } else { REPEATS };
    for _ in 0..repeats {
        match measure(work, gateway, settings, progress, interrupted) {
            Err(lagged @ Failure::Lagged { .. }) => eprintln!("fastway-bench: {lagged}; the run is repeated"),
            result => return result,
        }
    }
    measure(work, gateway, settings, progress, interrupted)
}
