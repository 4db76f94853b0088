//! What Go's profile viewer reads in a profile of ours.

use std::path::Path;
use std::process::Command;

/// The table that `go tool pprof -top` prints, the functions with the most time below them first.
///
/// # Panics
/// When Go is missing or cannot read the profile. It is not skipped: a profile that nobody can open is no profile.
pub fn top(profile: &Path) -> String {
    let run = Command::new("go").args(["tool", "pprof", "-top", "-cum"]).arg(profile).output();
    let output = run.expect("`go` is needed to check that profiles can be read: install Go and put it on the PATH");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "go tool pprof cannot read {profile:?}:\n{}", text(&output.stderr));
    text(&output.stdout)
}
