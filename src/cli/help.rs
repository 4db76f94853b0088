//! What `--help` and `--version` print.

use argh::{FlagInfo, FlagInfoKind};

use super::table::Table;

const INTRODUCTION: &str = "\
Usage: fastway [flags]
       fastway check [flags]             shows every value and its origin, or all faults
       fastway init [FILE]               writes a configuration file with all defaults
       fastway schema                    prints the JSON Schema of the configuration file
       fastway ctl [flags] COMMAND…      asks a running gateway; ctl --help tells more
       fastway keygen FILE               makes the gateway's key for secure sessions
       fastway keygen --public FILE      shows the public half of such a key
       fastway completion SHELL          prints a completion file for bash, zsh or fish
       fastway man                       prints the manual page

A game gateway: carries many virtual connections between players and game
servers over one physical link each. Without flags it takes two random ports
and prints them on stdout.
";

const NOTES: &str = "
Spelling: --client-addr=:10010, --client-addr :10010 and -ClientAddr=:10010 are
          the same; a switch takes =true or =false; the last of repeated flags wins,
          but each --client-addr and --server-addr adds an address, and each
          file of --server-auth-key-file and --session-key a valid key.
          In the original's spelling numbers may be Go's: 0x1000, 1_000, 010 (octal).
SIZE:     bytes, or with a unit of 1024: 512K, 1M, 1G.
LIST:     plain, secure, secure-nk, legacy, with commas between them; secure-nk are the
          secure sessions of those that check the gateway's key.
TIME:     30s, 1m30s, 500ms, 1.5h.
ADDR:     :10010, 127.0.0.1:10010, [::1]:10010, localhost:10010; port 0 is a random one.
Environment: FASTWAY_SERVER_AUTH_KEY, FASTWAY_ADMIN_TOKEN, RUST_LOG.
Exit code: 0 after --help, --version and a clean stop; 2 for a faulty command line or file;
           1 for the rest.
";

/// The text of `--help`.
pub(super) fn usage(tables: &[Table]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for table in tables {
        text.push_str(&format!("\n{}\n", table.description));
        text.push_str(&flag_lines(table));
    }
    text + NOTES
}

/// A flag a line. One that reaches into the column of the descriptions has its own below it.
fn flag_lines(table: &Table) -> String {
    const COLUMN: usize = 35;
    let line = |flag: &&FlagInfo<'_>| {
        let form = form(flag);
        let apart = if form.len() + 2 < COLUMN { String::new() } else { format!("\n{:COLUMN$}", "") };
        let width = if apart.is_empty() { COLUMN - 2 } else { 0 };
        format!("  {form:width$}{apart}{}\n", flag.description)
    };
    table.flags.iter().map(line).collect()
}

/// A flag as it is written.
fn form(flag: &FlagInfo<'_>) -> String {
    match flag.kind {
        FlagInfoKind::Switch => flag.long.to_owned(),
        FlagInfoKind::Option { arg_name } => format!("{} {arg_name}", flag.long),
    }
}

const CTL_INTRODUCTION: &str = "\
Usage: fastway ctl [flags] COMMAND…

Has a running gateway carry out a command, and prints the answer: through the
socket NAME.sock, or where there is none through NAME.cmd, a signal and
NAME.cmd.out. Run it in the gateway's working directory, as the gateway's user
or as root.

  fastway ctl help                    lists the commands
  fastway ctl links client held-up    shows the clients that are held up
";

const CTL_NOTES: &str = "
Exit code: 0 when the command was carried out; 2 for a faulty command line; 1 for the rest.
";

/// The text of `ctl --help`.
pub(super) fn ctl_usage(table: &Table) -> String {
    format!("{CTL_INTRODUCTION}\n{}\n{}{CTL_NOTES}", table.description, flag_lines(table))
}

/// The text of `keygen --help`.
pub(super) fn keygen_usage() -> String {
    "\
Usage: fastway keygen FILE
       fastway keygen --public FILE

Makes a key pair for secure sessions: writes the private key to FILE, which must
not exist and which its owner alone can read, and prints the public key. The
gateway takes FILE as --session-key; clients pin the public key. With --public
prints the public key of a FILE that exists.
"
    .to_owned()
}

/// The text of `init --help`.
pub(super) fn init_usage() -> String {
    "\
Usage: fastway init [FILE]

Writes a configuration file with every key and its default, in comments, to FILE,
which must not exist, or to stdout. The gateway takes FILE as --config, and
fastway check --config FILE tells what it means.
"
    .to_owned()
}

/// The text of `--version`.
pub(super) fn version() -> String {
    let allocator = if cfg!(tsan) { "the system's allocator" } else { "jemalloc" };
    let linking = if cfg!(target_feature = "crt-static") { "static" } else { "dynamic" };
    format!(
        "{} {}\ncommit: {}\nfeatures: {allocator}, {linking}\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("FASTWAY_COMMIT")
    )
}
