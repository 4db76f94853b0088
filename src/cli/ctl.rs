//! The command line of `fastway ctl`: flags, then the words of a command.

use std::ffi::OsString;
use std::time::Duration;

use super::error::UsageError;
use super::flags::CtlFlags;
use super::invocation::{CtlOptions, Invocation};
use super::{help, normalize};

/// The word that leads here.
pub(super) const WORD: &str = "ctl";

/// Without `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the words behind `ctl`. What begins with a dash before the command is a flag.
pub(super) fn parse(words: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let table = CtlFlags::table();
    let mut words: Vec<OsString> = words.collect();
    let command = words.split_off(flags(&words));
    let line = normalize::read(words.into_iter(), std::slice::from_ref(&table))?;
    if line.is_on("--help") {
        return Ok(Invocation::Print(help::ctl_usage(&table)));
    }
    let flags = CtlFlags::from_line(&line, &table)?;
    let command: Vec<String> = command.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if command.is_empty() {
        return Err(UsageError::NoCommand);
    }
    Ok(Invocation::Ctl(CtlOptions {
        name: flags.name.unwrap_or_default(),
        dir: flags.dir,
        pid_file: flags.pid_file,
        pid: flags.pid,
        timeout: flags.timeout.unwrap_or(TIMEOUT),
        command: command.join(" "),
    }))
}

/// How many words are flags and their values.
fn flags(words: &[OsString]) -> usize {
    let mut count = 0;
    while let Some(word) = words.get(count).and_then(|word| word.to_str()).filter(|word| word.starts_with('-')) {
        let is_whole = word.contains('=') || matches!(word.trim_start_matches('-'), "help" | "h");
        count += if is_whole { 1 } else { 2 };
    }
    count.min(words.len())
}
