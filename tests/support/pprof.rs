//! What Go's profile viewer reads in a profile of ours.

use std::ffi::OsStr;
use std::process::Command;

use tempfile::TempDir;

/// The table that `go tool pprof -top` prints of a file or an address, the functions with the most time below them first.
///
/// # Panics
/// When Go is missing or cannot read the profile. It is not skipped: a profile that nobody can open is no profile.
pub fn top(profile: impl AsRef<OsStr>) -> String {
    let profile = profile.as_ref();
    // It keeps what it fetches, and by itself would wait no longer than half the time that is profiled for the rest.
    let kept = TempDir::new().expect("a temporary directory");
    let mut go = Command::new("go");
    go.args(["tool", "pprof", "-top", "-cum", "-timeout=60"]).arg(profile).env("PPROF_TMPDIR", kept.path());
    let run = go.output();
    let output = run.expect("`go` is needed to check that profiles can be read: install Go and put it on the PATH");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "go tool pprof cannot read {profile:?}:\n{}", text(&output.stderr));
    text(&output.stdout)
}
