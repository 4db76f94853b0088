//! All runs of an invocation: round after round, the gateways of each work in random order.

use std::sync::atomic::AtomicBool;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use crate::cli::{Bench, Named};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Failure, Settings, measure};

/// Runs everything; `each` is shown every outcome as soon as it is there.
///
/// What a machine does besides changes within minutes, so gateways are compared within a round, and rounds with each
/// other only by what came out of that.
pub(crate) fn run(
    bench: &Bench,
    interrupted: &AtomicBool,
    mut each: impl FnMut(&Outcome),
) -> Result<Vec<Outcome>, Failure> {
    let mut progress = Progress::new();
    let mut random = SmallRng::seed_from_u64(bench.settings.seed);
    let mut outcomes = Vec::new();
    for round in 0..bench.rounds {
        let settings = Settings { seed: bench.settings.seed.wrapping_add(round.into()), ..bench.settings };
        for work in &bench.works {
            let mut gateways: Vec<&Named> = bench.gateways.iter().collect();
            gateways.shuffle(&mut random);
            for Named { name, source } in gateways {
                let outcome = measure(work, name, source, settings, &mut progress, interrupted)?;
                each(&outcome);
                outcomes.push(outcome);
            }
        }
    }
    Ok(outcomes)
}
