//! The command line: from the words a shell passes on to a checked [`Config`].
//!
//! The way of a word, top to bottom: `normalize` knows the spellings and looks names up in the
//! tables that argh derives from [`flags`], `original` reads the values that only the original takes; argh hands each value to its parser in `values`;
//! `merge` lays the values over [`Config::default`] and checks those that depend on one another.
//!
//! To add a flag: a field in [`flags`], its line in `merge`. Everything else follows from the field.

mod address;
mod admin;
mod ctl;
mod duration;
mod error;
pub mod flags;
mod help;
mod key;
mod keygen;
mod merge;
mod normalize;
mod original;
mod sessions;
mod suggest;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use tracing::Level;

use crate::config::Config;
use crate::http::HttpConfig;
use crate::logging::LogFormat;
use crate::process::{Name, PidFilePlace};

pub use address::{AdminAddr, HostNames, ListenAddr, Reach};
pub use ctl::CtlOptions;
pub use error::{OneLine, UsageError};
use flags::Flags;

/// What is logged when neither `--log-level` nor `RUST_LOG` says so.
pub const DEFAULT_LOG_LEVEL: Level = Level::INFO;

/// What the command line asked for.
#[derive(Debug)]
pub enum Invocation {
    /// A running gateway.
    Run(Box<Options>),
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
pub struct Options {
    /// The gateway's configuration, checked.
    pub config: Config,
    /// The admin listener, if there is to be one.
    pub admin: Option<HttpConfig>,
    /// First part of the names of the gateway's files: NAME.pid, NAME.cmd, NAME.cpu.prof, …
    pub name: Name,
    /// `--pid-file`.
    pub pid_file: PidFilePlace,
    /// `--log-level`; without it `RUST_LOG` counts, then [`DEFAULT_LOG_LEVEL`].
    pub log_level: Option<Level>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// Warnings about the command line, one line each, to be logged once logging is up.
    pub notices: Vec<String>,
}

/// Reads a command line (`args`: without the program's own name) and the variables that `env` knows.
///
/// The files that `--server-auth-key-file` and `--admin-token-file` name are read as well; nothing else is touched.
///
/// # Errors
/// The first fault found, in one line that names the flag as it was written, the value and what
/// is accepted. The program ends with exit code 2 then.
pub fn parse(
    args: impl Iterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Invocation, UsageError> {
    let mut args = args.peekable();
    if args.next_if(|word| word == ctl::WORD).is_some() {
        return ctl::parse(args);
    }
    if args.next_if(|word| word == keygen::WORD).is_some() {
        return keygen::parse(args);
    }
    let tables = Flags::tables();
    let line = normalize::read(args, &tables)?;
    if line.is_on("--help") {
        return Ok(Invocation::Print(help::usage(&tables)));
    }
    if line.is_on("--version") {
        return Ok(Invocation::Print(help::version()));
    }
    let flags = Flags::from_line(&line, &tables)?;
    Ok(Invocation::Run(Box::new(merge::options(flags, &line, env)?)))
}

#[cfg(test)]
mod tests;
