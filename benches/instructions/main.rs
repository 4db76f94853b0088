//! Instructions that the parts of a frame's way through the gateway take, counted by callgrind: the same on a busy
//! machine as on a quiet one.
//!
//! ```text
//! cargo bench --bench instructions             compares with baseline.json; exit code 1 above it by more than 10 %
//! cargo bench --bench instructions -- --bless  writes baseline.json
//! ```
//!
//! Each case runs twice under valgrind, once twice as often as the other time: the difference is the case's alone.

#[path = "../parts/mod.rs"]
mod parts;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;
use std::fs;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

/// How often a case runs, for work of one element.
const TIMES: u64 = 1_000;
/// How much more than the baseline is a regression.
const TOLERANCE: f64 = 1.10;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.json");
/// Set for the process under valgrind: `NAME=TIMES`.
const CASE_VARIABLE: &str = "FASTWAY_BENCH_CASE";

fn main() -> ExitCode {
    let asked = env::var(CASE_VARIABLE).ok();
    if let Some((name, times)) = asked.as_deref().and_then(|case| case.rsplit_once('=')) {
        parts::measure_all(&mut OneCase { name, times: times.parse().unwrap_or_default() });
        return ExitCode::SUCCESS;
    }
    let outcome = count_all().and_then(|counted| match env::args().any(|arg| arg == "--bless") {
        true => counted.save(),
        false => counted.compare(),
    });
    outcome.map_or_else(complain, |()| ExitCode::SUCCESS)
}

fn complain(error: impl Display) -> ExitCode {
    eprintln!("instructions: {error}");
    ExitCode::FAILURE
}

/// Instructions per element of each case, and what compiled them.
#[derive(Debug, Serialize, Deserialize)]
struct Counts {
    rustc: String,
    target: String,
    instructions: BTreeMap<String, f64>,
}

fn count_all() -> Result<Counts, String> {
    let mut cases = Names::default();
    parts::measure_all(&mut cases);
    let count = |(name, elements): (String, u64)| {
        let times = TIMES.div_ceil(elements);
        let per_element =
            (instructions(&name, 2 * times)?.abs_diff(instructions(&name, times)?)) as f64 / (times * elements) as f64;
        println!("{per_element:>9.1}  {name}");
        Ok((name, (per_element * 10.0).round() / 10.0))
    };
    let instructions = cases.0.into_iter().map(count).collect::<Result<_, String>>()?;
    let target = format!("{}-{}", env::consts::ARCH, env::consts::OS);
    Ok(Counts { rustc: rustc_version()?, target, instructions })
}

/// What a run of the case takes as a whole, the start of the program included.
fn instructions(case: &str, times: u64) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .env(CASE_VARIABLE, format!("{case}={times}"))
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}; install it (Debian: apt-get install valgrind)"))?;
    let report = String::from_utf8_lossy(&valgrind.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.filter(|_| valgrind.status.success()).ok_or_else(|| format!("{case}: valgrind says:\n{report}"))
}

fn rustc_version() -> Result<String, String> {
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_err(|error| format!("cannot ask rustc for its version: {error}"))?;
    Ok(String::from_utf8_lossy(&rustc.stdout).trim().to_owned())
}

impl Counts {
    fn save(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(BASELINE, text + "\n").map_err(|error| format!("{BASELINE}: {error}"))
    }

    fn load() -> Result<Self, String> {
        let text = fs::read(BASELINE).map_err(|error| format!("{BASELINE}: {error}; `-- --bless` makes it"))?;
        serde_json::from_slice(&text).map_err(|error| format!("{BASELINE}: {error}; `-- --bless` makes a new one"))
    }

    fn compare(&self) -> Result<(), String> {
        let baseline = Self::load()?;
        if self.target != baseline.target {
            println!("! NOT COMPARED: the baseline was counted on {}, this is {}", baseline.target, self.target);
            return Ok(());
        }
        let cases = self.instructions.keys().chain(baseline.instructions.keys());
        let differ =
            |case: &&String| self.instructions.contains_key(*case) != baseline.instructions.contains_key(*case);
        let unknown: Vec<&String> = cases.filter(differ).collect();
        let worse = |(case, now): (&String, &f64)| {
            let before = baseline.instructions.get(case)?;
            (*now > before * TOLERANCE).then(|| format!("{case}: {before} instructions before, {now} now"))
        };
        let regressions: Vec<String> = self.instructions.iter().filter_map(worse).collect();
        if regressions.is_empty() && unknown.is_empty() {
            println!("none above the baseline of {} by more than 10 %", baseline.rustc);
            return Ok(());
        }
        Err(format!(
            "regressions {regressions:#?}, cases on one side only {unknown:?}; the baseline was compiled by {}, this by {}. \
             Mend them, or accept them with `cargo bench --bench instructions -- --bless`",
            baseline.rustc, self.rustc
        ))
    }
}

/// The cases, by name, with the elements of each.
#[derive(Default)]
struct Names(Vec<(String, u64)>);

impl parts::Bench for Names {
    fn case(&mut self, name: &str, count: u64, _work: impl FnMut()) {
        self.0.push((name.to_owned(), count));
    }
}

/// Runs one of the cases.
struct OneCase<'a> {
    name: &'a str,
    times: u64,
}

impl parts::Bench for OneCase<'_> {
    fn case(&mut self, name: &str, _count: u64, mut work: impl FnMut()) {
        if name == self.name {
            (0..self.times).for_each(|_| work());
        }
    }
}
