//! `fastway-bench`: measures gateways that speak the fastway mux protocol.
//!
//! It knows the protocol from `fastway-wire` and nothing of any gateway's inside, so it works with all of them. The
//! program is [`main`]; [`yardstick`] is the bare loop that gateways are held against.

mod cli;
mod load;
mod measure;
mod outcome;
mod poller;
mod progress;
mod report;
mod rounds;
mod session;
mod target;
mod works;
pub mod yardstick;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use cli::{Bench, Heading, Invocation};
use measure::Failure;
use outcome::Outcome;
use report::machine::Machine;
use report::summary::Row;
use report::{page, summary, text};
use yardstick::{Straight, Yardstick};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
/// What a shell shows for a program that ended by Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs the program with the words behind its name; gives its exit code.
pub fn main(words: &[String]) -> u8 {
    let result = match cli::parse(words, std::env::var("FASTWAY_SERVER_AUTH_KEY").ok()) {
        Ok(Invocation::Print(text)) => print(&text),
        Ok(Invocation::Bench(bench)) => run(&bench),
        Ok(Invocation::Yardstick { client, server, key }) => {
            forward(client, server, &key).map_err(|error| Failure::Other(format!("yardstick: {error}")))
        }
        Err(error) => {
            eprintln!("fastway-bench: {error}");
            return EXIT_USAGE;
        }
    };
    match result {
        Ok(()) => 0,
        Err(Failure::Interrupted) => {
            eprintln!("fastway-bench: interrupted");
            EXIT_INTERRUPTED
        }
        Err(failure) => {
            eprintln!("fastway-bench: {failure}");
            EXIT_FAILED
        }
    }
}

fn run(bench: &Bench) -> Result<(), Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(other)?;
    }
    raise_descriptor_limit();
    let machine = Machine::look();
    if bench.heading != Heading::Single && !bench.json {
        let busy = machine.busy().map(|busy| format!("! {busy}\n")).unwrap_or_default();
        print(&format!("{}\n{busy}seed {}\n\n", machine.describe(), bench.settings.seed))?;
    }
    let (mut outcomes, mut unread) = (Vec::new(), Ok(()));
    let finished = rounds::run(bench, &interrupted, &mut |outcome| {
        if bench.json && unread.is_ok() {
            unread = json_line(&outcome);
        }
        outcomes.push(outcome);
    });
    unread?;
    // What was measured before a failure took minutes, and is good.
    if !outcomes.is_empty() {
        present(bench, &machine, &outcomes)?;
    }
    finished
}

fn present(bench: &Bench, machine: &Machine, outcomes: &[Outcome]) -> Result<(), Failure> {
    let rows = summary::rows(bench, outcomes);
    if let Some(folder) = &bench.report {
        let failed = |error| Failure::Other(format!("cannot write the report into {}: {error}", folder.display()));
        page::write(folder, bench, machine, &rows, outcomes).map_err(failed)?;
    }
    show(bench, &rows, outcomes)
}

/// The result of all runs.
fn show(bench: &Bench, rows: &[Row], outcomes: &[Outcome]) -> Result<(), Failure> {
    match (bench.json, bench.heading) {
        (true, Heading::Single) => Ok(()),
        (true, _) => rows.iter().try_for_each(|row| json_line(&json!({ "summary": row }))),
        (false, Heading::Single) => outcomes.iter().try_for_each(|outcome| print(&text::single(outcome))),
        (false, _) => print(&text::comparison(rows)),
    }
}

fn json_line(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&(serde_json::to_string(value).map_err(other)? + "\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(other)
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

/// Ten thousand links need as many descriptors; where they are not to be had, opening a link says so.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn forward(client: std::net::SocketAddr, server: std::net::SocketAddr, key: &str) -> io::Result<()> {
    raise_descriptor_limit();
    let yardstick = Yardstick::bind(client, server, key, Straight)?;
    println!("listening client={} server={}", yardstick.client_addr()?, yardstick.server_addr()?);
    yardstick.run(&AtomicBool::new(false))
}
