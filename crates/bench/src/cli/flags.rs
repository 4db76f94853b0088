//! What `argh` reads: one struct for each subcommand.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;

use super::values::{MaybeRate, Rate, Size, Time};
use crate::load::LinkKind;
use crate::works::MisbehaviourKind;

/// Measures gateways that speak the fastway mux protocol, and checks every payload and the order while it does. Exit
/// code: 0; 1 for a run that failed; 2 for a faulty command line; 130 after Ctrl-C.
#[derive(FromArgs)]
pub(super) struct TopLevel {
    #[argh(subcommand)]
    pub(super) command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
pub(super) enum Command {
    Echo(EchoFlags),
    Rate(RateFlags),
    Push(PushFlags),
    Large(LargeFlags),
    Mixed(MixedFlags),
    Idle(IdleFlags),
    Churn(ChurnFlags),
    Stall(StallFlags),
    Compare(CompareFlags),
    Suite(SuiteFlags),
    Yardstick(YardstickFlags),
}

/// The flags that all works have in common.
pub(super) struct RunFlags {
    pub(super) gateway: Option<String>,
    pub(super) client_addr: Option<SocketAddr>,
    pub(super) server_addr: Option<SocketAddr>,
    pub(super) key: Option<String>,
    pub(super) pid: Option<u32>,
    pub(super) allocations: Option<String>,
    pub(super) link: LinkKind,
    pub(super) time: Time,
    pub(super) warmup: Time,
    pub(super) patience: Time,
    pub(super) max_lag: Time,
    pub(super) sleep: bool,
    pub(super) seed: Option<u64>,
    pub(super) json: bool,
    pub(super) report: Option<PathBuf>,
}

/// `argh` has no shared flags, so each work gets its own copy of them.
macro_rules! work {
    ($(#[$meta:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(FromArgs)]
        $(#[$meta])*
        pub(super) struct $name {
            $($(#[$of_field])* pub(super) $field: $kind,)*

            /// command that starts the gateway, with {client} {server} {key}; without it and without addresses:
            /// the fastway beside this program
            #[argh(option, arg_name = "command")]
            gateway: Option<String>,

            /// client port of a gateway that runs already
            #[argh(option, arg_name = "addr")]
            client_addr: Option<SocketAddr>,

            /// server port of that gateway
            #[argh(option, arg_name = "addr")]
            server_addr: Option<SocketAddr>,

            /// what servers of that gateway have to know (default: FASTWAY_SERVER_AUTH_KEY, or empty)
            #[argh(option)]
            key: Option<String>,

            /// process of that gateway, for its CPU time and memory
            #[argh(option)]
            pid: Option<u32>,

            /// command that prints how many bytes the gateway has allocated so far; it runs in the directory of a
            /// gateway that is started here (default for the fastway beside this program: `fastway ctl stats`)
            #[argh(option, arg_name = "command")]
            allocations: Option<String>,

            /// how players come: plain or secure, by sessions without a pinned key (default plain)
            #[argh(option, default = "LinkKind::Plain", arg_name = "kind")]
            link: LinkKind,

            /// how long is recorded (default 3s)
            #[argh(option, default = "span(3.0)", arg_name = "time")]
            time: Time,

            /// load before that (default 500ms)
            #[argh(option, default = "span(0.5)", arg_name = "time")]
            warmup: Time,

            /// how long nothing may arrive while frames are under way (default 5s)
            #[argh(option, default = "span(5.0)", arg_name = "time")]
            patience: Time,

            /// by how much the generator may be late, for 99 % of what it sends on a schedule (default 10ms)
            #[argh(option, default = "span(0.01)", arg_name = "time")]
            max_lag: Time,

            /// let the generator sleep while there is nothing to do: for gateways that need every core (default where
            /// there is only one)
            #[argh(switch)]
            sleep: bool,

            /// where the payloads' bytes come from; a run prints it
            #[argh(option, arg_name = "number")]
            seed: Option<u64>,

            /// print one line of JSON for each run
            #[argh(switch)]
            json: bool,

            /// write an HTML page and plots into this folder
            #[argh(option, arg_name = "dir")]
            report: Option<PathBuf>,
        }

        impl $name {
            pub(super) fn run_flags(&self) -> RunFlags {
                RunFlags {
                    gateway: self.gateway.clone(),
                    client_addr: self.client_addr,
                    server_addr: self.server_addr,
                    key: self.key.clone(),
                    pid: self.pid,
                    allocations: self.allocations.clone(),
                    link: self.link,
                    time: self.time,
                    warmup: self.warmup,
                    patience: self.patience,
                    max_lag: self.max_lag,
                    sleep: self.sleep,
                    seed: self.seed,
                    json: self.json,
                    report: self.report.clone(),
                }
            }
        }
    };
}

fn span(seconds: f64) -> Time {
    Time(std::time::Duration::from_secs_f64(seconds))
}

work! {
    /// closed loop: players send, servers send it back, what came back lets the next message go
    #[argh(subcommand, name = "echo")]
    EchoFlags {
        /// players' links (default 100)
        #[argh(option, default = "100", arg_name = "n")]
        links: u32,

        /// connections on each link (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        connections: u32,

        /// servers, dialed in turn (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        servers: u32,

        /// bytes of a payload (default 64)
        #[argh(option, default = "Size(64)")]
        size: Size,

        /// messages under way on each connection (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        window: u32,
    }
}

work! {
    /// open loop: messages leave on a fixed schedule and come back; latency counts from the scheduled time
    #[argh(subcommand, name = "rate")]
    RateFlags {
        /// players' links (default 1000)
        #[argh(option, default = "1000", arg_name = "n")]
        links: u32,

        /// connections on each link (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        connections: u32,

        /// servers, dialed in turn (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        servers: u32,

        /// bytes of a payload (default 128)
        #[argh(option, default = "Size(128)")]
        size: Size,

        /// messages a second, of all links together (default 20000)
        #[argh(option, default = "Rate(20_000.0)", arg_name = "number")]
        rate: Rate,
    }
}

work! {
    /// servers send to players, on a schedule or as fast as it goes
    #[argh(subcommand, name = "push")]
    PushFlags {
        /// players' links (default 100)
        #[argh(option, default = "100", arg_name = "n")]
        links: u32,

        /// servers, dialed in turn (default 1)
        #[argh(option, default = "1", arg_name = "n")]
        servers: u32,

        /// bytes of a payload (default 128)
        #[argh(option, default = "Size(128)")]
        size: Size,

        /// messages a second, of all links together, or max (default 100000)
        #[argh(option, default = "MaybeRate(Some(100_000.0))", arg_name = "number")]
        rate: MaybeRate,

        /// with --rate max: messages under way on each connection (default 256)
        #[argh(option, default = "256", arg_name = "n")]
        window: u32,
    }
}

work! {
    /// closed loop with frames that fill buffers
    #[argh(subcommand, name = "large")]
    LargeFlags {
        /// players' links (default 8)
        #[argh(option, default = "8", arg_name = "n")]
        links: u32,

        /// bytes of a payload (default 32K)
        #[argh(option, default = "Size(32 << 10)")]
        size: Size,

        /// messages under way on each connection (default 8)
        #[argh(option, default = "8", arg_name = "n")]
        window: u32,
    }
}

work! {
    /// what a game does: small inputs up, the state of the world to everybody at once, pieces of 32 KiB now and then
    #[argh(subcommand, name = "mixed")]
    MixedFlags {
        /// players' links (default 200)
        #[argh(option, default = "200", arg_name = "n")]
        links: u32,

        /// servers, dialed in turn (default 2)
        #[argh(option, default = "2", arg_name = "n")]
        servers: u32,

        /// inputs a second from each player (default 10)
        #[argh(option, default = "Rate(10.0)", arg_name = "number")]
        inputs: Rate,

        /// times a second that everybody gets the state (default 20)
        #[argh(option, default = "Rate(20.0)", arg_name = "number")]
        ticks: Rate,

        /// pieces of 32 KiB a second, of all players together (default 20)
        #[argh(option, default = "Rate(20.0)", arg_name = "number")]
        maps: Rate,
    }
}

work! {
    /// resident bytes of the gateway for each link that does nothing
    #[argh(subcommand, name = "idle")]
    IdleFlags {
        /// players' links (default 10000)
        #[argh(option, default = "10_000", arg_name = "n")]
        links: u32,

        /// connections on each link; 0: the links never send a byte (default 0)
        #[argh(option, default = "0", arg_name = "n")]
        connections: u32,
    }
}

work! {
    /// players connect, dial and leave, as many a second as the gateway can take
    #[argh(subcommand, name = "churn")]
    ChurnFlags {
        /// players that come and go at the same time (default 64)
        #[argh(option, default = "64", arg_name = "n")]
        at_once: u32,
    }
}

work! {
    /// what the others notice of a peer that misbehaves: an open loop, first without it and then beside it
    #[argh(subcommand, name = "stall")]
    StallFlags {
        /// stops-reading, floods, garbage or handshakes (default stops-reading)
        #[argh(option, default = "MisbehaviourKind::StopsReading", arg_name = "kind")]
        trouble: MisbehaviourKind,

        /// links of the others (default 100)
        #[argh(option, default = "100", arg_name = "n")]
        links: u32,

        /// bytes of their payloads (default 128)
        #[argh(option, default = "Size(128)")]
        size: Size,

        /// their messages a second, all together (default 5000)
        #[argh(option, default = "Rate(5_000.0)", arg_name = "number")]
        rate: Rate,
    }
}

/// runs works against several gateways in turn, in random order, round after round; ratios are to the first gateway
#[derive(FromArgs)]
#[argh(subcommand, name = "compare")]
pub(super) struct CompareFlags {
    /// a gateway: NAME='command with {client} {server} {key}'; give it once for each
    #[argh(option, arg_name = "name=command")]
    pub(super) gateway: Vec<String>,

    /// how to ask one of them what it has allocated so far: NAME='command', which runs in its directory and prints a
    /// number
    #[argh(option, arg_name = "name=command")]
    pub(super) allocations: Vec<String>,

    /// how the players of one of them come: NAME=plain (the default) or NAME=secure, by sessions without a pinned key
    #[argh(option, arg_name = "name=kind")]
    pub(super) link: Vec<String>,

    /// works by name, with commas between (default: the seven works of the goals)
    #[argh(option, arg_name = "names")]
    pub(super) works: Option<String>,

    /// how often each work runs against each gateway (default 5)
    #[argh(option, default = "5", arg_name = "n")]
    pub(super) rounds: u32,

    /// how long each run is recorded (default 3s)
    #[argh(option, default = "span(3.0)", arg_name = "time")]
    pub(super) time: Time,

    /// by how much the generator may be late, for 99 % of what it sends on a schedule (default 10ms)
    #[argh(option, default = "span(0.01)", arg_name = "time")]
    pub(super) max_lag: Time,

    /// let the generator sleep while there is nothing to do: for gateways that need every core (default where
    /// there is only one)
    #[argh(switch)]
    pub(super) sleep: bool,

    /// where the order and the payloads' bytes come from; it is printed
    #[argh(option, arg_name = "number")]
    pub(super) seed: Option<u64>,

    /// print one line of JSON for each run, and one for each row of the table
    #[argh(switch)]
    pub(super) json: bool,

    /// write an HTML page and plots into this folder
    #[argh(option, arg_name = "dir")]
    pub(super) report: Option<PathBuf>,
}

/// all works with a name, for the tables of documentation, with facts about the machine
#[derive(FromArgs)]
#[argh(subcommand, name = "suite")]
pub(super) struct SuiteFlags {
    /// a gateway: NAME='command with {client} {server} {key}'; give it once for each (default: the fastway beside
    /// this program)
    #[argh(option, arg_name = "name=command")]
    pub(super) gateway: Vec<String>,

    /// how to ask one of them what it has allocated so far: NAME='command', which runs in its directory and prints a
    /// number
    #[argh(option, arg_name = "name=command")]
    pub(super) allocations: Vec<String>,

    /// how the players of one of them come: NAME=plain (the default) or NAME=secure, by sessions without a pinned key
    #[argh(option, arg_name = "name=kind")]
    pub(super) link: Vec<String>,

    /// works by name, with commas between (default: all)
    #[argh(option, arg_name = "names")]
    pub(super) works: Option<String>,

    /// how often each work runs against each gateway (default 3)
    #[argh(option, default = "3", arg_name = "n")]
    pub(super) rounds: u32,

    /// how long each run is recorded (default 3s)
    #[argh(option, default = "span(3.0)", arg_name = "time")]
    pub(super) time: Time,

    /// by how much the generator may be late, for 99 % of what it sends on a schedule (default 10ms)
    #[argh(option, default = "span(0.01)", arg_name = "time")]
    pub(super) max_lag: Time,

    /// let the generator sleep while there is nothing to do: for gateways that need every core (default where
    /// there is only one)
    #[argh(switch)]
    pub(super) sleep: bool,

    /// where the order and the payloads' bytes come from; it is printed
    #[argh(option, arg_name = "number")]
    pub(super) seed: Option<u64>,

    /// print one line of JSON for each run, and one for each row of the table
    #[argh(switch)]
    pub(super) json: bool,

    /// write an HTML page and plots into this folder
    #[argh(option, arg_name = "dir")]
    pub(super) report: Option<PathBuf>,
}

/// a bare loop that forwards frames and does nothing else: a measure, not a gateway; ends with a signal
#[derive(FromArgs)]
#[argh(subcommand, name = "yardstick")]
pub(super) struct YardstickFlags {
    /// where clients connect (default 127.0.0.1:0)
    #[argh(option, default = "loopback()", arg_name = "addr")]
    pub(super) client_addr: SocketAddr,

    /// where servers connect (default 127.0.0.1:0)
    #[argh(option, default = "loopback()", arg_name = "addr")]
    pub(super) server_addr: SocketAddr,

    /// what servers have to know (default: nothing)
    #[argh(option, default = "String::new()")]
    pub(super) key: String,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
