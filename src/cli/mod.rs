//! The command line: from the words a shell passes on to a checked [`Config`](fastway::config::Config).
//!
//! The way of a word, top to bottom: `normalize` knows the spellings and looks names up in the
//! tables that argh derives from [`flags`], `original` reads the values that only the original takes; argh hands each value to its parser in `values`;
//! `merge` lays the values over the defaults and checks those that depend on one another.
//!
//! To add a flag: a field in [`flags`], its line in `merge`. Everything else follows from the field.

mod address;
mod admin;
mod command_line;
mod commands;
mod completion;
mod ctl;
mod duration;
mod error;
mod fault;
pub(crate) mod flags;
mod help;
mod init;
mod invocation;
mod key;
mod keygen;
mod man;
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

pub(crate) use self::command_line::{CommandLine, ParsedFlag, Text, Value};
use self::commands::COMMANDS;
pub(crate) use self::duration::parse as parse_duration;
pub(crate) use self::error::{OneLine, UsageError};
pub(crate) use self::fault::{Fault, Faults, Place};
pub(crate) use self::flags::Flags;
pub(crate) use self::invocation::{CtlOptions, Invocation, Options};
pub(crate) use self::key::{ADMIN_TOKEN, SERVER_KEY};
pub(crate) use self::normalize::canonical_name;
pub(crate) use self::suggest::nearest;
pub(crate) use self::table::Table;
pub(crate) use self::values::{show_size, words};

/// The word that has flags and file checked.
const CHECK: &str = "check";
/// The word that has the schema of the file printed.
const SCHEMA: &str = "schema";

/// Reads a command line (`args`: without the program's own name), up to the values of its flags: see [`options`].
///
/// # Errors
/// The first fault found, in one line that names the flag as it was written. The program ends with exit code 2 then.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut args = args.peekable();
    let command = args.peek().and_then(|word| COMMANDS.iter().find(|command| *word == *command.word));
    if command.is_some() {
        args.next();
    }
    match command.map(|command| command.word) {
        Some(ctl::WORD) => ctl::parse(args),
        Some(keygen::WORD) => keygen::parse(args),
        Some(init::WORD) => init::parse(args),
        Some(completion::WORD) => completion::parse(args, &Flags::tables()),
        Some(man::WORD) => man::parse(args, &Flags::tables()),
        Some(SCHEMA) => match args.next() {
            None => Ok(Invocation::Schema),
            Some(word) => {
                Err(UsageError::UnexpectedArgument { word: word.to_string_lossy().into(), hint: OneLine::default() })
            }
        },
        Some(CHECK) => parse_flags(args, Invocation::Check),
        _ => parse_flags(args, Invocation::Run),
    }
}

/// Reads the flags of a gateway.
fn parse_flags(
    args: impl Iterator<Item = OsString>,
    invocation: fn(CommandLine) -> Invocation,
) -> Result<Invocation, UsageError> {
    let tables = Flags::tables();
    let line = normalize::read(args, &tables)?;
    if line.is_on("--help") {
        return Ok(Invocation::Print(help::usage(&tables)));
    }
    if line.is_on("--version") {
        return Ok(Invocation::Print(help::version()));
    }
    Ok(invocation(line))
}

/// The file that a command line names, if it does.
pub(crate) fn config_file(line: &CommandLine) -> Option<&str> {
    line.given("--config")?.texts().last().map(|text| text.given.as_str())
}

/// Whether each flag of a command line takes its value.
///
/// # Errors
/// The first fault.
pub(crate) fn check_values(line: &CommandLine) -> Result<(), Faults> {
    Flags::from_line(line, &Flags::tables())?;
    Ok(())
}

/// What the flags of a command line mean, and the values of a file below them. The files of keys and tokens are read as
/// well, and the variables that `env` knows; nothing else is touched.
///
/// # Errors
/// All that is wrong with the file; of the command line the first fault found, in one line that names the flag as it was
/// written, the value and what is accepted.
pub(crate) fn options(line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Options, Faults> {
    let flags = Flags::from_line(line, &Flags::tables())?;
    merge::options(flags, line, env)
}

#[cfg(test)]
mod tests;
