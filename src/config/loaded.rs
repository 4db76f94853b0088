//! A configuration that was read.

use std::ffi::OsString;

use super::show;
use crate::cli::{CommandLine, Options};

/// How to run, and where each value of it comes from.
pub(crate) struct Loaded {
    /// How to run.
    pub(crate) options: Options,
    /// The flags, and the values of the file below them.
    pub(super) line: CommandLine,
    /// The flags alone.
    pub(super) flags: CommandLine,
}

impl Loaded {
    /// Every value and where it comes from, as a file.
    pub(crate) fn show(&self, env: &dyn Fn(&str) -> Option<OsString>) -> String {
        show::values(&self.options, &self.line, env)
    }
}
