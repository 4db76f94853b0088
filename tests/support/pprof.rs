//! What Go's profile viewer reads in a profile of ours.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// The table that `go tool pprof -top` prints of a file or an address, the functions with the most time below them first.
///
/// # Panics
/// When Go is missing or cannot read the profile. It is not skipped: a profile that nobody can open is no profile.
pub fn top(profile: impl AsRef<OsStr>) -> String {
    show(&["-top", "-cum"], profile.as_ref())
}

/// The CPU time of all samples of a CPU profile.
///
/// # Panics
/// As [`top`].
pub fn cpu_total(profile: impl AsRef<OsStr>) -> Duration {
    let text = show(&["-raw"], profile.as_ref());
    let samples = text.lines().skip_while(|line| *line != "samples/count cpu/nanoseconds").skip(1);
    // Two numbers before a colon; labels stand in lines of their own.
    let nanoseconds = |line: &str| line.split_once(": ")?.0.split_whitespace().nth(1)?.parse::<u64>().ok();
    Duration::from_nanos(samples.take_while(|line| *line != "Locations").filter_map(nanoseconds).sum())
}

fn show(how: &[&str], profile: &OsStr) -> String {
    // It keeps what it fetches, and by itself would wait no longer than half the time that is profiled for the rest.
    let kept = TempDir::new().expect("a temporary directory");
    let mut go = Command::new("go");
    go.args(["tool", "pprof", "-timeout=60"]).args(how).arg(profile).env("PPROF_TMPDIR", kept.path());
    let run = go.output();
    let output = run.expect("`go` is needed to check that profiles can be read: install Go and put it on the PATH");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "go tool pprof cannot read {profile:?}:\n{}", text(&output.stderr));
    text(&output.stdout)
}
