//! The SDK's examples as programs.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::KEY;
use crate::process::Process;

/// Starts an example, which finds the suites' key in its environment.
pub fn start_example(name: &str, args: &[&str]) -> Process {
    Process::start_program(example(name, args))
}

/// The command that starts an example; its path is absolute.
pub fn example(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(folder().join(name));
    command.args(args).env_remove("RUST_LOG").env("FASTWAY_SERVER_AUTH_KEY", KEY);
    command
}

/// Both sides of a new pseudo-terminal: the one that shows what is printed, and the one that a program prints to.
///
/// The first fails to be read once nobody has the second open any more.
pub fn terminal() -> (File, File) {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the system has pseudo-terminals");
    grantpt(&shown).and_then(|()| unlockpt(&shown)).expect("it is ours");
    let name = ptsname(&shown, Vec::new()).expect("it has a name").into_string().expect("a plain name");
    let printed = File::options().read(true).write(true).open(name).expect("it is there");
    (File::from(shown), printed)
}

/// Where the examples are. Cargo builds them before the tests of their own package only, so they are built here, once
/// per suite: with the packages and the profile of `cargo test --workspace`, so that after it there is nothing to do.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let this = env::current_exe().expect("the suite knows where it is");
        let profile = this.ancestors().nth(2).expect("suites are in target/PROFILE/deps");
        build(profile);
        profile.join("examples")
    })
}

fn build(profile: &Path) {
    let name = profile.file_name().and_then(|name| name.to_str()).expect("cargo's names are plain");
    let mut command = Command::new(env::var_os("CARGO").expect("run by cargo"));
    // Build scripts that watch what cargo tells a test of its package would run again, and what they belong to would be
    // compiled again.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["build", "--locked", "--offline", "--workspace", "--examples"])
        .args(["--profile", if name == "debug" { "dev" } else { name }])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")])
        .arg("--target-dir")
        .arg(profile.parent().expect("a profile's folder is in target"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "the examples do not build:\n{}", String::from_utf8_lossy(&output.stderr));
}
