//! A shell in which the blocks of a page are run as a reader runs them.
//!
//! What differs from the reader's machine, and why:
//!
//! * The shell has network, process and mount namespaces of its own. So the ports that a page names are free, whatever else
//!   runs on the machine, and nothing that a page starts is left behind. Where these namespaces cannot be made the test
//!   fails and says so; `test.sh` skips it there by its name and lists it as not checked.
//! * The working directory is empty instead of a copy of the repository.
//! * Nothing is compiled: [`CARGO`] stands in for cargo. `fastway` is a command only after `cargo install` was run.
//! * The tours have 20 players, whatever their number on the page, since these are debug builds. `test.sh` takes the whole
//!   tour with a release build.
//! * stdin is empty, and stderr (the gateway's log, cargo's progress) is not compared.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fastway_testkit::examples::example;
use fastway_testkit::process::{Process, gateway_binary};
use fastway_testkit::watch::holds_within;
use tempfile::TempDir;

use super::markdown::Block;

/// Stands in for cargo: installs the gateway that is tested, and runs the examples that are built.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
    'install --locked --path .') exec ln -s "$README_GATEWAY" "$README_BIN/fastway" ;;
    'run --release --example '*) shift 3 ;;
    'run --example '*) shift 2 ;;
    *) echo "no stand-in for: cargo $*" >&2; exit 101 ;;
esac
name=$1
shift
[ "$1" != -- ] || shift
[ "$name" != tour ] || set -- $(echo "$@" | sed 's/--players [0-9]*//') --players 20 --messages 500
exec "$README_EXAMPLES/$name" "$@"
"#;

/// How the gateway, the servers and the players of a page print what differs from run to run. `#` stands for digits,
/// decimal or hexadecimal, with their points and commas. All other lines must be exactly as shown.
const VARYING: &[&[&str]] = &[
    // The tour counts once a second where stdout is no terminal, so any number of these counts as one.
    &["# links  # connections  # messages  #/s", "# links  # connections  # messages  #/s  # resumed"],
    &["the gateway listens: client=127.0.0.1:# server=127.0.0.1:#"],
    &["the players' links are encrypted, for the gateway that has the key #"],
    &["# players with # connections: # messages there and back in # s, # a second"],
    &["# MiB compared: every byte and the order are right"],
    &["# times a player's link was cut or fell silent, and went on"],
    &["no player waited longer than # s for a message"],
    &["the gateway never had more than # MiB of memory"],
    // The public key that `fastway keygen` prints.
    &["#"],
    // The servers and the last sessions of the tour may be there still.
    &["servers registered=# handshakes=#"],
    &["sessions open=# waiting=# waiting_bytes=# opened_secure=# opened_legacy=0 interrupted=#"],
    &["fastway_servers #"],
];

/// How long a block may take, and what it prints; only a failing test waits for all of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks the end of a block on stdout, before its line and its exit code.
const END: &str = "--- end of the block in line ";

/// A shell, from a page's first block to its last.
pub(super) struct Shell {
    shell: Process,
    /// The lines on stdout that earlier blocks have shown.
    seen: usize,
    /// The stand-ins; they go with the shell.
    _bin: TempDir,
}

impl Shell {
    /// A shell for a new page.
    ///
    /// # Panics
    /// Where no namespaces can be made.
    pub(super) fn new() -> Self {
        let isolated =
            isolation().expect("no network namespace can be made here: be root, or skip this test by its name");
        let bin = tempfile::tempdir().unwrap();
        let cargo = bin.path().join("cargo");
        fs::write(&cargo, CARGO).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();

        let mut command = Command::new("unshare");
        command.args(isolated).args(["sh", "-c", "ip link set lo up && exec bash --norc --noprofile"]);
        for foreign in ["CARGO", "FASTWAY_SERVER_AUTH_KEY", "RUST_BACKTRACE", "RUST_LOG"] {
            command.env_remove(foreign);
        }
        command.env("PATH", path_behind(bin.path())).env("HOME", bin.path());
        command.env("README_GATEWAY", gateway_binary()).env("README_BIN", bin.path());
        command.env("README_EXAMPLES", Path::new(example("tour", &[]).get_program()).parent().unwrap());
        let mut shell = Process::start_program(command);
        // The exit code of a block is that of the last command that failed in the foreground.
        shell.type_line("set -o pipefail; trap 'failed=$?' ERR");
        Self { shell, seen: 0, _bin: bin }
    }

    /// Runs a block to its end, which background commands need not reach, and compares what was printed since the block
    /// before with what is shown.
    ///
    /// # Panics
    /// When the block fails or does not end, or prints something else.
    pub(super) fn run(&mut self, page: &str, block: &Block, shown: &str) {
        let place = format!("{page}, line {}:\n{}", block.line, block.text);
        match self.status_of(block).as_deref() {
            Some("0") => {}
            Some(code) => panic!("{place}fails with {code}:\n{}", self.shell.log()),
            None => panic!("{place}does not end; printed so far:\n{}\n{}", self.shell.stdout(), self.shell.log()),
        }

        // What background commands print may come after the end of the block.
        let shown = counted_once(shown.lines().map(str::to_owned));
        let mut printed = Vec::new();
        let mut seen = self.seen;
        holds_within(PATIENCE, || {
            let all = self.printed();
            printed = counted_once(all[self.seen..].iter().cloned());
            seen = all.len();
            printed.len() >= shown.len()
        });
        self.seen = seen;
        let [shown_text, printed_text] = [&shown, &printed].map(|lines| lines.join("\n"));
        let log = self.shell.log();
        assert!(are_alike(&shown, &printed), "{place}shows\n{shown_text}\nand prints\n{printed_text}\n\n{log}");
    }

    /// Ends a page, behind whose last block nothing may have been printed.
    pub(super) fn end(self, page: &str) {
        let printed = self.printed();
        assert_eq!(printed[self.seen..], [""; 0], "{page}: printed and not shown");
    }

    /// Runs a block and gives its exit code; nothing when it does not end.
    fn status_of(&mut self, block: &Block) -> Option<String> {
        let script = self.shell.file(&format!(".block-{}", block.line));
        fs::write(&script, &block.text).unwrap();
        let mark = format!("{END}{}: ", block.line);
        self.shell.type_line(format!("failed=0; . {} </dev/null; echo \"{mark}$failed.\"", script.display()));
        let status = |stdout: &str| Some(stdout.split_once(&mark)?.1.split_once('.')?.0.to_owned());
        let mut ended = None;
        holds_within(PATIENCE, || {
            ended = status(&self.shell.stdout());
            ended.is_some()
        });
        ended
    }

    /// The lines on stdout so far, without those that mark the end of blocks.
    fn printed(&self) -> Vec<String> {
        let stdout = self.shell.stdout();
        // What a command prints without a newline stands before a mark.
        let without_mark = |line: &str| match line.split_once(END) {
            None => Some(line.to_owned()),
            Some(("", _)) => None,
            Some((printed, _)) => Some(printed.to_owned()),
        };
        stdout.lines().filter_map(without_mark).collect()
    }
}

/// The namespaces that this machine allows.
fn isolation() -> Option<Vec<&'static str>> {
    const ALL: [&str; 5] = ["--net", "--pid", "--mount-proc", "--fork", "--kill-child=KILL"];
    let works = |options: &Vec<&str>| {
        let mut try_it = Command::new("unshare");
        try_it.args(options).args(["ip", "link", "set", "lo", "up"]).stdout(Stdio::null()).stderr(Stdio::null());
        try_it.status().is_ok_and(|status| status.success())
    };
    [Vec::from(ALL), [&["--map-root-user"][..], &ALL].concat()].into_iter().find(works)
}

/// `PATH` with `first` before all other folders, and without those that have a `fastway` already.
fn path_behind(first: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let others = env::split_paths(&path).filter(|folder| !folder.join("fastway").exists());
    env::join_paths([first.to_owned()].into_iter().chain(others)).unwrap()
}

/// Lines that count something again and again, as one.
fn counted_once(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut counted: Vec<String> = Vec::new();
    for line in lines {
        match counted.last_mut() {
            Some(last) if kind(last).is_some() && kind(last) == kind(&line) => *last = line,
            _ => counted.push(line),
        }
    }
    counted
}

/// Whether all lines are equal, or differ in what varies only.
fn are_alike(shown: &[String], printed: &[String]) -> bool {
    shown.len() == printed.len()
        && shown.iter().zip(printed).all(|(a, b)| a == b || (kind(a).is_some() && kind(a) == kind(b)))
}

/// Which of the [`VARYING`] lines this is.
fn kind(line: &str) -> Option<usize> {
    VARYING.iter().position(|forms| forms.iter().any(|form| has_form(line, form)))
}

fn has_form(line: &str, form: &str) -> bool {
    let mut parts = form.split('#');
    let Some(mut rest) = parts.next().and_then(|part| line.strip_prefix(part)) else { return false };
    for part in parts {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ','));
        if after.len() == rest.len() {
            return false;
        }
        // A comma behind a number may belong to the text.
        let number = rest.len() - after.len();
        let Some(next) = (1..=number).rev().find_map(|end| rest[end..].strip_prefix(part)) else { return false };
        rest = next;
    }
    rest.is_empty()
}
