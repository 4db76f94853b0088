//! The command line of `fastway init`: the name of a file, or nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::UsageError;
use super::help;
use super::invocation::Invocation;

/// The word that leads here.
pub(super) const WORD: &str = "init";

/// Reads the words behind `init`.
pub(super) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let file = words.next();
    if let Some(flag) = file.as_ref().and_then(|word| word.to_str()).filter(|word| word.starts_with('-')) {
        return match flag {
            "-h" | "-help" | "--help" => Ok(Invocation::Print(help::init_usage())),
            _ => Err(UsageError::OneConfigFile { word: flag.into() }),
        };
    }
    match words.next() {
        Some(word) => Err(UsageError::OneConfigFile { word: word.to_string_lossy().into() }),
        None => Ok(Invocation::Init(file.map(PathBuf::from))),
    }
}
