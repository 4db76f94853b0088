//! The command line of `fastway keygen`: the name of a file, and whether the key is there already.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::UsageError;
use super::help;
use super::invocation::Invocation;

/// The word that leads here.
pub(super) const WORD: &str = "keygen";

/// Reads the words behind `keygen`.
pub(super) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let first = words.next().ok_or(UsageError::NoKeyFile)?;
    if matches!(first.to_str(), Some("-h" | "-help" | "--help")) {
        return Ok(Invocation::Print(help::keygen_usage()));
    }
    let is_there = matches!(first.to_str(), Some("-public" | "--public"));
    let file = if is_there { words.next().ok_or(UsageError::NoKeyFile)? } else { first };
    if file.to_str().is_some_and(|flag| flag.starts_with('-')) {
        return Err(UsageError::NoKeyFile);
    }
    match words.next() {
        Some(word) => Err(UsageError::OneKeyFile { word: word.to_string_lossy().into() }),
        None if is_there => Ok(Invocation::PublicKey(PathBuf::from(file))),
        None => Ok(Invocation::Keygen(PathBuf::from(file))),
    }
}
