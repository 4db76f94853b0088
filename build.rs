//! Finds the commit that `fastway --version` names.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FASTWAY_COMMIT");
    let given = env::var("FASTWAY_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(commit_of_checkout).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=FASTWAY_COMMIT={commit}");
}

/// The commit of the repository that this package is the root of. A debug build does without: each commit would compile it
/// anew.
fn commit_of_checkout() -> Option<String> {
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return None;
    }
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let is_ours =
        Path::new(&root).canonicalize().ok()? == Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()?;
    if !is_ours {
        return None;
    }
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", &branch, "packed-refs"] {
        let file = git(&["rev-parse", "--git-path", name]).filter(|file| Path::new(file).exists());
        file.iter().for_each(|file| println!("cargo:rerun-if-changed={file}"));
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
