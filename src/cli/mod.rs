//! The command line: from the words a shell passes on to a checked [`Config`](fastway::config::Config).
//!
//! The way of a word, top to bottom: `normalize` knows the spellings and looks names up in the
//! tables that argh derives from [`flags`], `original` reads the values that only the original takes; argh hands each value to its parser in `values`;
//! `merge` lays the values over the defaults and checks those that depend on one another.
//!
//! To add a flag: a field in [`flags`], its line in `merge`. Everything else follows from the field.

mod address;
mod admin;
mod ctl;
mod duration;
mod error;
pub(crate) mod flags;
mod help;
mod invocation;
mod key;
mod keygen;
mod merge;
mod normalize;
mod original;
mod overlay;
mod proxies;
mod sessions;
mod suggest;
mod table;
mod values;

use std::ffi::OsString;

pub(crate) use error::UsageError;
use flags::Flags;
pub(crate) use invocation::{CtlOptions, Invocation, Options};

/// Reads a command line (`args`: without the program's own name) and the variables that `env` knows.
///
/// The files that `--server-auth-key-file` and `--admin-token-file` name are read as well; nothing else is touched.
///
/// # Errors
/// The first fault found, in one line that names the flag as it was written, the value and what
/// is accepted. The program ends with exit code 2 then.
pub(crate) fn parse(
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
