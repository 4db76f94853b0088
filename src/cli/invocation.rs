//! What a command line can ask for.

use std::path::PathBuf;
use std::time::Duration;

use fastway::config::Config;
use fastway::drain::DrainTimes;
use fastway_admin::http::HttpConfig;
use fastway_service::logging::LogFormat;
use fastway_service::process::{Name, PidFilePlace};
use tracing::Level;

use super::command_line::CommandLine;

/// What the command line asked for.
pub(crate) enum Invocation {
    /// A running gateway, with these flags.
    Run(CommandLine),
    /// The meaning of these flags, and of the file that they name.
    Check(CommandLine),
    /// A new configuration file, with this name or on stdout.
    Init(Option<PathBuf>),
    /// The schema of configuration files.
    Schema,
    /// A question to a running gateway.
    Ctl(CtlOptions),
    /// A new key pair, its private half in this file.
    Keygen(PathBuf),
    /// The public key of the pair whose private half is in this file.
    PublicKey(PathBuf),
    /// Text for stdout (`--help`, `--version`), newline included; then exit code 0.
    Print(String),
}

/// How to run: the gateway's configuration and what concerns the process around it.
#[derive(Debug)]
pub(crate) struct Options {
    /// The gateway's configuration, checked.
    pub config: Config,
    /// The admin listener. Its address may be missing: then there is one only if it is inherited.
    pub admin: HttpConfig,
    /// The flags among those for addresses that were given.
    pub addr_flags: Vec<&'static str>,
    /// First part of the names of the gateway's files: NAME.pid, NAME.cmd, NAME.cpu.prof, …
    pub name: Name,
    /// `--pid-file`.
    pub pid_file: PidFilePlace,
    /// `--drain-delay`, `--drain-timeout` and `--drain-spread`.
    pub drain: DrainTimes,
    /// `--log-level`; without it `RUST_LOG` counts, then `info`.
    pub log_level: Option<Level>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// Warnings about the command line, one line each, to be logged once logging is up.
    pub notices: Vec<String>,
}

/// What is asked of which gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CtlOptions {
    /// The gateway's `--name`.
    pub name: Name,
    /// The gateway's working directory; `None`: this one.
    pub dir: Option<PathBuf>,
    /// The gateway's `--pid-file`; `None`: the one that its name gives.
    pub pid_file: Option<PathBuf>,
    /// Its process; `None`: the only one of that name.
    pub pid: Option<u32>,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// The command, as a line of the command file.
    pub command: String,
}
