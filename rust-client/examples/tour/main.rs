//! The tour: a gateway, two game servers and a thousand players, on this machine and within seconds.
//!
//! ```text
//! cargo run --release --example tour
//! cargo run --release --example tour -- --secure --chaos
//! ```
//!
//! It builds and starts the gateway on free ports. Each player has one link to it and opens a virtual connection to each
//! game server; the servers send back what they get, and the players compare every byte and the order. With `--secure`
//! the players' links are encrypted, and outlive their connections; with `--chaos` these are cut at random. `--help` lists
//! what can be changed. The exit code is 0 when all came back right, 1 when it did not, and 130 or 143 when the
//! tour was interrupted.

mod crowd;
mod gateway;
mod messages;
mod network;
mod options;
mod progress;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use gateway::Gateway;
use messages::Script;
use options::{Options, Source};
use progress::{Counts, Display, Grouped, per_second, print_now};

/// Descriptors that the tour needs beside those of its players.
const OTHER_DESCRIPTORS: u64 = 64;

const MIB: u64 = 1 << 20;

/// What shells add to the number of a signal to make an exit code.
const EXIT_SIGNAL: u8 = 128;

fn main() -> ExitCode {
    match prepare_and_run(&argh::from_env()) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("tour: {error:#}");
    ExitCode::FAILURE
}

fn prepare_and_run(options: &Options) -> anyhow::Result<ExitCode> {
    let script = options.script()?;
    make_room_for(options.players, options.chaos)?;
    // There are no signal handlers yet, so an interrupt ends the tour and the cargo that it runs alike.
    let source = options.source()?;
    Runtime::new().context("cannot start tokio")?.block_on(run(source, script, options))
}

/// Raises the limit of open descriptors, which shells keep at 1,024: every player's link is one, or two more in the
/// network of `--chaos`, and as many again in what has fallen silent there.
fn make_room_for(players: u32, chaos: bool) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(players) * if chaos { 5 } else { 1 } + OTHER_DESCRIPTORS;
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    ensure!(needed <= maximum, "--players {players} needs {needed} open files, and `ulimit -Hn` is {maximum}");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("cannot raise `ulimit -n`")
}

/// The tour until its end or an interrupt. Either way the gateway that it started is stopped.
async fn run(source: Source, script: Script, options: &Options) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let mut gateway = None;
    let code = tokio::select! {
        outcome = visit(&mut gateway, source, script, options) => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        signal = interrupts.next() => {
            eprintln!("tour: interrupted");
            ExitCode::from(EXIT_SIGNAL.saturating_add(signal))
        }
    };
    if let Some(gateway) = gateway {
        gateway.stop().await?;
    }
    Ok(code)
}

/// Starts the gateway, if there is none yet, has everybody play, and sums up.
async fn visit(ours: &mut Option<Gateway>, source: Source, script: Script, options: &Options) -> anyhow::Result<()> {
    let Options { players, chaos, .. } = *options;
    let addrs = match source {
        Source::Program { program, secure } => ours.insert(Gateway::start(&program, secure).await?).addrs().clone(),
        Source::Running(addrs) => addrs,
    };
    print_now(&format!("the gateway listens: client={} server={}\n", addrs.client, addrs.server));
    if let Some(key) = &addrs.session {
        print_now(&format!("the players' links are encrypted, for the gateway that has the key {key}\n"));
    }
    let counts = Arc::new(Counts::default());
    let mut display = Display::new(&counts);
    let outcome = tokio::select! {
        outcome = crowd::perform(addrs, chaos, script, players, Arc::clone(&counts)) => outcome,
        never = display.run() => match never {},
    };
    display.finish();
    let playing = outcome?;
    sum_up(players, &counts, playing);
    if chaos {
        let resumes = Grouped(counts.resumes.get());
        print_now(&format!("{resumes} times a player's link was cut or fell silent, and went on\n"));
        let longest = counts.longest_wait.get().as_secs_f64();
        print_now(&format!("no player waited longer than {longest:.1} s for a message\n"));
    }
    if let Some(bytes) = ours.as_ref().and_then(Gateway::peak_resident_bytes) {
        print_now(&format!("the gateway never had more than {} MiB of memory\n", bytes.div_ceil(MIB)));
    }
    Ok(())
}

fn sum_up(players: u32, counts: &Counts, playing: Duration) {
    let (messages, bytes) = (counts.messages.get(), counts.bytes.get());
    let connections = Grouped(u64::from(players) * crowd::CONNECTIONS);
    print_now(&format!(
        "{} players with {connections} connections: {} messages there and back in {:.1} s, {} a second\n\
         {} MiB compared: every byte and the order are right\n",
        Grouped(players.into()),
        Grouped(messages),
        playing.as_secs_f64(),
        Grouped(per_second(messages, playing)),
        bytes.div_ceil(MIB),
    ));
}

/// The signals that end the tour before its time, held from when this is made.
struct Interrupts([(Signal, SignalKind); 3]);

impl Interrupts {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| anyhow::Ok((signal(kind).context("cannot listen for signals")?, kind));
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self([listen(interrupt)?, listen(terminate)?, listen(hangup)?]))
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        let Self([interrupt, terminate, hangup]) = self;
        let kind = tokio::select! {
            _ = interrupt.0.recv() => interrupt.1,
            _ = terminate.0.recv() => terminate.1,
            _ = hangup.0.recv() => hangup.1,
        };
        u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX)
    }
}
