//! What attackers cost honest peers: how many of these get in beside each attack, and how fast. Figures to read, without
//! a verdict.
//!
//! ```text
//! cargo bench --bench attacks               all attacks, on one worker and on two
//! cargo bench --bench attacks -- NAME…      some of them
//! FASTWAY_ATTACK_SECONDS=30 cargo bench …   with longer phases than 10 s
//! ```
//!
//! Everything runs on loopback, where each address of 127.0.0.0/8 is another peer. Attackers are processes of a lower
//! priority: real ones bring their own processors. Where others use the machine, give it all a higher one, by `nice` or in
//! `/proc/self/autogroup`; not a real-time one, which starves the system's own threads for packets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement ends by panicking")]

mod attackers;
mod honest;
mod player;

use std::env;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fastway_testkit::{Gateway, watch};

use self::honest::{Action, Honest, Lanes, Outcome};

/// Where a child that plays an attacker finds its part, and the gateway.
const PART: &str = "FASTWAY_ATTACK_PART";
const CLIENT_ADDR: &str = "FASTWAY_ATTACK_CLIENT_ADDR";
const SERVER_ADDR: &str = "FASTWAY_ATTACK_SERVER_ADDR";

/// How long an attack goes on before it is measured beside it.
const WARM_UP: Duration = Duration::from_secs(3);

/// One attack.
struct Attack {
    name: &'static str,
    what: &'static str,
    /// The parts that its processes play; see [`attackers`].
    parts: &'static [&'static str],
    flags: &'static [&'static str],
    /// Descriptors that the gateway may have, if they are short.
    descriptors: Option<u64>,
    honest: &'static [Honest],
}

const FAR: Duration = Duration::from_millis(150);
const HALF_FAR: Duration = Duration::from_millis(100);

const ALL: &[Honest] = &[
    Honest::near("open", Action::Open),
    Honest::away("open, 150 ms away", Action::Open, FAR),
    Honest::near("legacy open", Action::LegacyOpen),
    Honest::near("resume", Action::Resume),
    Honest::away("resume, 150 ms away", Action::Resume, FAR),
    Honest::near("registration", Action::Register),
    Honest::away("registration, 100 ms away", Action::Register, HALF_FAR),
    Honest::near("ping", Action::Ping),
];

/// Where attackers have all links that there may be, nobody else can open one; these have theirs, or need none.
const THOSE_WHO_RETURN: &[Honest] = &[
    Honest::near("resume", Action::Resume),
    Honest::near("registration", Action::Register),
    Honest::away("registration, 100 ms away", Action::Register, HALF_FAR),
    Honest::near("GET /live", Action::AskWhetherAlive),
];

const ATTACKS: &[Attack] = &[
    Attack {
        name: "descriptors",
        what: "600 clients that say nothing, or ping once, at a gateway with 300 descriptors",
        parts: &["descriptors"],
        flags: &[],
        descriptors: Some(300),
        honest: THOSE_WHO_RETURN,
    },
    Attack {
        name: "opens",
        what: "two processes at one address open secure sessions over and over, 64 at a time each",
        parts: &["opens", "opens"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "legacy",
        what: "two processes at one address open legacy sessions over and over, 64 at a time each",
        parts: &["legacy", "legacy"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "resumes",
        what: "one session is resumed over and over, 64 times at once",
        parts: &["resumes"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "unproven",
        what: "2,000 clients at 200 addresses open secure sessions and never go on",
        parts: &["unproven"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "silent",
        what: "4,096 silent connections from 8 addresses to the client port",
        parts: &["silent"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "servers",
        what: "4,096 connections from 8 addresses to the plain server port, silent or with a wrong answer",
        parts: &["servers"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "hopping",
        what: "sessions are opened at one address and resumed from others, where an address may have 3 links",
        parts: &["hopping"],
        flags: &["--max-links-per-address", "3"],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "pings",
        what: "five strangers ping at full speed by plain links",
        parts: &["pings"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
    Attack {
        name: "session-pings",
        what: "five strangers ping in secure sessions, 4,096 times at once",
        parts: &["session-pings"],
        flags: &[],
        descriptors: None,
        honest: ALL,
    },
];

fn main() {
    watch::raise_descriptor_limit();
    if let Ok(part) = env::var(PART) {
        let addr = |name| env::var(name).unwrap().parse().unwrap();
        return attackers::play(&part, addr(CLIENT_ADDR), addr(SERVER_ADDR));
    }
    // Cargo adds options for a harness that this program does not have.
    let chosen: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for name in &chosen {
        assert!(ATTACKS.iter().any(|attack| attack.name == name), "no attack is named {name:?}");
    }
    for attack in ATTACKS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == attack.name) {
            measure(attack, 1);
            measure(attack, 2);
        }
    }
}

/// Has honest peers go on by themselves, then beside the attack, at one gateway.
fn measure(attack: &Attack, workers: usize) {
    let gateway = start_gateway(attack, workers);
    let phase = Duration::from_secs(env::var("FASTWAY_ATTACK_SECONDS").map_or(10, |seconds| seconds.parse().unwrap()));
    let mut lanes = Lanes::of(attack.honest, &gateway);
    let alone = lanes.run(phase);
    let attacking: Vec<Attacker> = attack.parts.iter().map(|part| Attacker::start(part, &gateway)).collect();
    thread::sleep(WARM_UP);

    let cpu_before = watch::cpu_time(gateway.pid());
    let attacked = lanes.run(phase);
    let cpu = watch::cpu_time(gateway.pid()) - cpu_before;
    println!("{}, {workers} worker(s): {}", attack.name, attack.what);
    print(attack.honest, &alone, &attacked);
    println!("  the gateway: {:.0} % of a core; {}\n", 100.0 * cpu.as_secs_f64() / phase.as_secs_f64(), seen(&gateway));
    drop(attacking);
}

fn start_gateway(attack: &Attack, workers: usize) -> Gateway {
    let workers = workers.to_string();
    let ours = ["--client-link", "plain,secure,legacy", "--workers", &workers];
    let flags = [&ours, attack.flags].concat();
    match attack.descriptors {
        Some(descriptors) => Gateway::with_descriptors(descriptors, &flags),
        None => Gateway::with_admin(&flags),
    }
}

fn print(honest: &[Honest], alone: &[Outcome], attacked: &[Outcome]) {
    println!("  {:28}{:>31}{:>31}{:>11}", "", "alone: p50 and p95 in ms", "attacked: p50 and p95 in ms", "p50 ratio");
    for ((honest, alone), attacked) in honest.iter().zip(alone).zip(attacked) {
        let ratio = attacked.percentile_ms(50) / alone.percentile_ms(50);
        println!("  {:28}{alone:>31}{attacked:>31}{ratio:>11.2}", honest.name);
    }
}

/// What the gateway has counted.
fn seen(gateway: &Gateway) -> String {
    let stats = gateway.stats();
    let failed = |handshakes: &serde_json::Value| {
        let counts = handshakes["failed"].as_object().unwrap().iter().filter(|(_, count)| **count != 0);
        counts.map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{} client links; handshakes that failed: {}; at the server port: {}",
        stats["client"]["links"],
        failed(&stats["sessions"]["handshakes"]),
        failed(&stats["handshakes"])
    )
}

/// A process that attacks until this is dropped.
struct Attacker(Child);

impl Attacker {
    fn start(part: &str, gateway: &Gateway) -> Self {
        let addr = |addr: SocketAddr| addr.to_string();
        let mut command = Command::new("nice");
        command.args(["-n", "5"]).arg(env::current_exe().unwrap()).stdout(Stdio::null());
        command.env(PART, part);
        command.env(CLIENT_ADDR, addr(gateway.client_addr())).env(SERVER_ADDR, addr(gateway.server_addr()));
        Self(command.spawn().unwrap())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
