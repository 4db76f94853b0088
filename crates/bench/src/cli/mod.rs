//! From the words of a command line to what is to be done.

mod flags;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use argh::FromArgs;

use crate::load::{GatewayAddrs, LinkKind, TAG_BYTES};
use crate::session::Settings;
use crate::target::{self, Named, Source, Template};
use crate::works::{Churn, Echo, GOALS, Idle, Kind, Large, Mixed, Push, Rate, SUITE, Stall, Work, preset};
use flags::{Command, CompareFlags, RunFlags, SuiteFlags, TopLevel};
use values::Size;

/// Largest payload that a gateway with default flags forwards: MaxPacket less the ConnID.
const LARGEST: u32 = (512 << 10) - 4;

/// What is to be done.
pub(crate) enum Invocation {
    Print(String),
    Bench(Bench),
    Yardstick { client: SocketAddr, server: SocketAddr, key: String },
}

/// Works to be run against gateways.
pub(crate) struct Bench {
    pub(crate) gateways: Vec<Named>,
    pub(crate) works: Vec<Work>,
    pub(crate) rounds: u32,
    pub(crate) settings: Settings,
    pub(crate) json: bool,
    pub(crate) report: Option<PathBuf>,
    pub(crate) heading: Heading,
}

/// How the result is headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heading {
    /// One run of one work.
    Single,
    Comparison,
    /// With facts about the machine.
    Suite,
}

/// A command line that cannot be understood; says what is accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

/// Reads the words behind the program's name.
pub(crate) fn parse(words: &[String], key: Option<String>) -> Result<Invocation, UsageError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let flags = match TopLevel::from_args(&["fastway-bench"], &words) {
        Ok(flags) => flags,
        Err(argh::EarlyExit { output, status: Ok(()) }) => return Ok(Invocation::Print(with_names(output))),
        Err(argh::EarlyExit { output, status: Err(()) }) => return Err(UsageError(with_hint(one_line(&output)))),
    };
    let (name, kind, run) = match flags.command {
        Command::Echo(flags) => ("echo", echo(&flags), flags.run_flags()),
        Command::Rate(flags) => ("rate", rate(&flags), flags.run_flags()),
        Command::Push(flags) => ("push", push(&flags), flags.run_flags()),
        Command::Large(flags) => ("large", large(&flags), flags.run_flags()),
        Command::Mixed(flags) => ("mixed", mixed(&flags), flags.run_flags()),
        Command::Idle(flags) => ("idle", idle(&flags), flags.run_flags()),
        Command::Churn(flags) => ("churn", churn(&flags), flags.run_flags()),
        Command::Stall(flags) => ("stall", stall(&flags), flags.run_flags()),
        Command::Compare(flags) => return compare(flags).map(Invocation::Bench),
        Command::Suite(flags) => return suite(flags).map(Invocation::Bench),
        Command::Yardstick(flags) => {
            return Ok(Invocation::Yardstick { client: flags.client_addr, server: flags.server_addr, key: flags.key });
        }
    };
    single(Work::new(name, kind?), run, key).map(Invocation::Bench)
}

/// argh lists the subcommands; the works with names are ours.
fn with_names(help: String) -> String {
    let names = SUITE.join(" ");
    match help.contains("names") {
        true => format!("{}\n\nWorks by name:\n  {names}\n", help.trim_end()),
        false => help,
    }
}

/// argh's complaints take several lines.
fn one_line(complaint: &str) -> String {
    let lines: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// What others call our flags.
const MEANT: [(&str, &str); 11] = [
    ("--seconds", "--time, as in --time 5s"),
    ("--duration", "--time, as in --time 5s"),
    ("--clients", "--links"),
    ("--players", "--links"),
    ("--conns", "--connections"),
    ("--bytes", "--size"),
    ("--payload", "--size"),
    ("--runs", "--rounds"),
    ("--repeat", "--rounds"),
    ("--output", "--report"),
    ("--html", "--report"),
];

/// Names our flag for one that is not known here.
fn with_hint(complaint: String) -> String {
    let unknown = complaint.strip_prefix("Unrecognized argument: ").and_then(|rest| rest.split([' ', '=']).next());
    let meant = MEANT.iter().find(|(theirs, _)| Some(*theirs) == unknown);
    match meant {
        Some((_, ours)) => format!("{complaint}; did you mean {ours}?"),
        None => complaint,
    }
}

fn single(work: Work, run: RunFlags, key: Option<String>) -> Result<Bench, UsageError> {
    let settings = Settings {
        time: positive("--time", run.time.0)?,
        warmup: run.warmup.0,
        patience: run.patience.0,
        max_lag: run.max_lag.0,
        spin: spins(run.sleep),
        seed: run.seed.unwrap_or_else(rand::random),
    };
    let (json, report) = (run.json, run.report.clone());
    let gateways = vec![gateway(run, key)?];
    Ok(Bench { gateways, works: vec![work], rounds: 1, settings, json, report, heading: Heading::Single })
}

fn gateway(run: RunFlags, key: Option<String>) -> Result<Named, UsageError> {
    let (allocations, players) = (run.allocations.as_deref().map(question).transpose()?, run.link);
    match (run.gateway, run.client_addr, run.server_addr) {
        (None, Some(client), Some(server)) => {
            let addrs = GatewayAddrs { client, server, key: run.key.or(key).unwrap_or_default(), players };
            let name = client.to_string();
            Ok(Named { name, source: Source::Running { addrs, pid: run.pid }, allocations, players })
        }
        (Some(command), None, None) => {
            let template = Template::parse(&command).map_err(|error| UsageError(format!("--gateway: {error}")))?;
            Ok(Named { name: "gateway".to_owned(), source: Source::Command(template), allocations, players })
        }
        (None, None, None) => {
            let beside_us = beside_us(players)?;
            Ok(Named { allocations: allocations.or(beside_us.allocations), ..beside_us })
        }
        (Some(_), ..) => Err(usage("--gateway starts one, --client-addr and --server-addr use another: give either")),
        _ => Err(usage("a gateway that runs has two ports: give --client-addr and --server-addr")),
    }
}

fn question(command: &str) -> Result<Template, UsageError> {
    Template::question(command).map_err(|error| usage(&format!("--allocations: {error}")))
}

fn beside_us(players: LinkKind) -> Result<Named, UsageError> {
    let program = target::beside_us().ok_or_else(|| {
        usage(
            "there is no fastway beside this program: build it, or give --gateway, or --client-addr and --server-addr",
        )
    })?;
    let source = Source::Command(Template::fastway(&program, players));
    Ok(Named { name: "fastway".to_owned(), source, allocations: Some(Template::fastway_stats(&program)), players })
}

fn compare(flags: CompareFlags) -> Result<Bench, UsageError> {
    let mut gateways = named(&flags.gateway)?;
    if gateways.is_empty() {
        return Err(usage("compare needs a gateway: --gateway NAME='command with {client} {server} {key}'"));
    }
    set_allocations(&mut gateways, &flags.allocations)?;
    set_links(&mut gateways, &flags.link)?;
    Ok(Bench {
        gateways,
        works: works(flags.works, &GOALS)?,
        rounds: at_least_one("--rounds", flags.rounds)?,
        settings: repeated(flags.time.0, flags.max_lag.0, flags.sleep, flags.seed)?,
        json: flags.json,
        report: flags.report,
        heading: Heading::Comparison,
    })
}

fn suite(flags: SuiteFlags) -> Result<Bench, UsageError> {
    let mut gateways = named(&flags.gateway)?;
    if gateways.is_empty() {
        gateways.push(beside_us(LinkKind::Plain)?);
    }
    set_allocations(&mut gateways, &flags.allocations)?;
    set_links(&mut gateways, &flags.link)?;
    Ok(Bench {
        gateways,
        works: works(flags.works, &SUITE)?,
        rounds: at_least_one("--rounds", flags.rounds)?,
        settings: repeated(flags.time.0, flags.max_lag.0, flags.sleep, flags.seed)?,
        json: flags.json,
        report: flags.report,
        heading: Heading::Suite,
    })
}

fn works(names: Option<String>, default: &[&str]) -> Result<Vec<Work>, UsageError> {
    let names = names.unwrap_or_else(|| default.join(","));
    let known = || SUITE.join(", ");
    let work =
        |name: &str| preset(name).ok_or_else(|| usage(&format!("there is no work {name:?}; known are {}", known())));
    names.split(',').map(|name| work(name.trim())).collect()
}

fn repeated(time: Duration, max_lag: Duration, sleep: bool, seed: Option<u64>) -> Result<Settings, UsageError> {
    Ok(Settings {
        time: positive("--time", time)?,
        warmup: Duration::from_millis(500),
        patience: Duration::from_secs(5),
        max_lag,
        spin: spins(sleep),
        seed: seed.unwrap_or_else(rand::random),
    })
}

/// On the only core, a generator that spins would keep the gateway from it.
fn spins(sleep: bool) -> bool {
    !sleep && available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

fn named(texts: &[String]) -> Result<Vec<Named>, UsageError> {
    let mut gateways: Vec<Named> = Vec::new();
    for text in texts {
        let (name, command) = name_and_command(text)
            .ok_or_else(|| usage("--gateway takes NAME='command with {client} {server} {key}'"))?;
        if gateways.iter().any(|other| other.name == name) {
            return Err(usage(&format!("two gateways are called {name:?}")));
        }
        let template = Template::parse(command).map_err(|error| usage(&format!("--gateway {name}: {error}")))?;
        let (name, source) = (name.to_owned(), Source::Command(template));
        gateways.push(Named { name, source, allocations: None, players: LinkKind::Plain });
    }
    Ok(gateways)
}

fn set_allocations(gateways: &mut [Named], texts: &[String]) -> Result<(), UsageError> {
    for text in texts {
        let (name, command) =
            name_and_command(text).ok_or_else(|| usage("--allocations takes NAME='command that prints a number'"))?;
        called("--allocations", name, gateways)?.allocations = Some(question(command)?);
    }
    Ok(())
}

fn set_links(gateways: &mut [Named], texts: &[String]) -> Result<(), UsageError> {
    for text in texts {
        let (name, kind) = name_and_command(text).ok_or_else(|| usage("--link takes NAME=plain or NAME=secure"))?;
        called("--link", name, gateways)?.players =
            kind.parse().map_err(|error: String| usage(&format!("--link {name}: {error}")))?;
    }
    Ok(())
}

fn called<'a>(flag: &str, name: &str, gateways: &'a mut [Named]) -> Result<&'a mut Named, UsageError> {
    let gateway = gateways.iter_mut().find(|gateway| gateway.name == name);
    gateway.ok_or_else(|| usage(&format!("{flag}: no gateway is called {name:?}")))
}

fn name_and_command(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
}

fn echo(flags: &flags::EchoFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Echo(Echo {
        links: at_least_one("--links", flags.links)?,
        connections: at_least_one("--connections", flags.connections)?,
        servers: at_least_one("--servers", flags.servers)?,
        size: payload(flags.size)?,
        window: at_least_one("--window", flags.window)?,
    }))
}

fn rate(flags: &flags::RateFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Rate(Rate {
        links: at_least_one("--links", flags.links)?,
        connections: at_least_one("--connections", flags.connections)?,
        servers: at_least_one("--servers", flags.servers)?,
        size: payload(flags.size)?,
        rate: flags.rate.0,
    }))
}

fn push(flags: &flags::PushFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Push(Push {
        links: at_least_one("--links", flags.links)?,
        servers: at_least_one("--servers", flags.servers)?,
        size: payload(flags.size)?,
        rate: flags.rate.0,
        window: at_least_one("--window", flags.window)?,
    }))
}

fn large(flags: &flags::LargeFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Large(Large {
        links: at_least_one("--links", flags.links)?,
        size: payload(flags.size)?,
        window: at_least_one("--window", flags.window)?,
    }))
}

fn mixed(flags: &flags::MixedFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Mixed(Mixed {
        links: at_least_one("--links", flags.links)?,
        servers: at_least_one("--servers", flags.servers)?,
        inputs: flags.inputs.0,
        ticks: flags.ticks.0,
        maps: flags.maps.0,
    }))
}

fn idle(flags: &flags::IdleFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Idle(Idle { links: at_least_one("--links", flags.links)?, connections: flags.connections }))
}

fn churn(flags: &flags::ChurnFlags) -> Result<Kind, UsageError> {
    Ok(Kind::Churn(Churn { at_once: at_least_one("--at-once", flags.at_once)? }))
}

fn stall(flags: &flags::StallFlags) -> Result<Kind, UsageError> {
    let links = at_least_one("--links", flags.links)?;
    let base = Rate { links, connections: 1, servers: 1, size: payload(flags.size)?, rate: flags.rate.0 };
    Ok(Kind::Stall(Stall { base, trouble: flags.trouble }))
}

fn at_least_one(flag: &str, number: u32) -> Result<u32, UsageError> {
    match number {
        0 => Err(usage(&format!("{flag} is 0; there has to be one at least"))),
        number => Ok(number),
    }
}

fn positive(flag: &str, time: Duration) -> Result<Duration, UsageError> {
    match time.is_zero() {
        true => Err(usage(&format!("{flag} is 0; nothing could be recorded"))),
        false => Ok(time),
    }
}

fn payload(Size(bytes): Size) -> Result<u32, UsageError> {
    let least = u32::try_from(TAG_BYTES).unwrap_or(u32::MAX);
    match (least..=LARGEST).contains(&bytes) {
        true => Ok(bytes),
        false => Err(usage(&format!("--size is {bytes}; it can be {least} (the sequence number) to {LARGEST} bytes"))),
    }
}

fn usage(text: &str) -> UsageError {
    UsageError(text.to_owned())
}
