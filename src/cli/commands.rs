//! The words that may stand before the flags, for `--help`, completions and the manual.

use super::flags::CtlFlags;
use super::table::Table;

/// A word that makes the program do something else than run a gateway.
pub(super) struct Command {
    pub(super) word: &'static str,
    /// What follows it, as it is written in a usage line.
    pub(super) usage: &'static str,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// Its flags, if it has a table of them.
    pub(super) flags: Option<fn() -> Table>,
    /// What can follow besides.
    pub(super) operands: Operands,
}

/// What follows a command.
pub(super) enum Operands {
    /// What nobody can complete, or nothing.
    Free,
    /// The name of a file.
    File,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// The shells that there are completions for.
pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// All commands.
pub(super) const COMMANDS: [Command; 7] = [
    Command {
        word: "ctl",
        usage: "[flags] COMMAND…",
        summary: "asks a running gateway",
        flags: Some(CtlFlags::table),
        operands: Operands::Free,
    },
    Command {
        word: "keygen",
        usage: "[--public] FILE",
        summary: "makes or shows the key for secure sessions",
        flags: None,
        operands: Operands::File,
    },
    Command {
        word: "check",
        usage: "[flags]",
        summary: "shows every value and its origin, or every fault",
        flags: None,
        operands: Operands::Free,
    },
    Command {
        word: "init",
        usage: "[FILE]",
        summary: "writes a configuration file with all defaults",
        flags: None,
        operands: Operands::File,
    },
    Command {
        word: "schema",
        usage: "",
        summary: "prints the JSON Schema of the configuration file",
        flags: None,
        operands: Operands::Free,
    },
    Command {
        word: "completion",
        usage: "bash|zsh|fish",
        summary: "prints a completion file for a shell",
        flags: None,
        operands: Operands::OneOf(&SHELLS),
    },
    Command { word: "man", usage: "", summary: "prints the manual page", flags: None, operands: Operands::Free },
];
