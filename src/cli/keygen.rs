//! The command line of `fastway keygen`: the name of a file.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::UsageError;
use super::{Invocation, help};

/// The word that leads here.
pub(super) const WORD: &str = "keygen";

/// Reads the words behind `keygen`.
pub(super) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let file = words.next().ok_or(UsageError::NoKeyFile)?;
    if let Some(word) = words.next() {
        return Err(UsageError::UnexpectedArgument { word: word.to_string_lossy().into(), hint: "".into() });
    }
    match file.to_str() {
        Some("-h" | "-help" | "--help") => Ok(Invocation::Print(help::keygen_usage())),
        Some(flag) if flag.starts_with('-') => Err(UsageError::NoKeyFile),
        _ => Ok(Invocation::Keygen(PathBuf::from(file))),
    }
}
