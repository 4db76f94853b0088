//! `fastway man`: the manual page, made from the tables of flags and commands.

use std::ffi::OsString;

use argh::FlagInfoKind;

use super::commands::COMMANDS;
use super::error::UsageError;
use super::invocation::Invocation;
use super::table::Table;

/// The word that leads here.
pub(super) const WORD: &str = "man";

/// Reads the words behind `man`: there are none.
pub(super) fn parse(mut words: impl Iterator<Item = OsString>, tables: &[Table]) -> Result<Invocation, UsageError> {
    match words.next() {
        Some(word) => Err(UsageError::AfterMan { word: word.to_string_lossy().into() }),
        None => Ok(Invocation::Print(page(tables))),
    }
}

const DESCRIPTION: &str = "\
fastway is a game gateway: it carries many virtual connections between players and game servers over one physical link each. \
Without flags it takes two random ports and prints them on stdout.";

const SPELLING: &str = "\
--client-addr=:10010, --client-addr :10010 and -ClientAddr=:10010 are the same; a switch takes =true or =false; the last of \
repeated flags wins, but each address and each file of a key counts. In the spelling of the original, numbers may be those of Go: 0x1000, 1_000, 010 (octal).";

const VALUES: [(&str, &str); 4] = [
    ("SIZE", "bytes, or with a unit of 1024: 512K, 1M, 1G"),
    (
        "LIST",
        "plain, secure, secure-nk, legacy, with commas between them; secure-nk are the secure sessions of those that check \
         the gateway's key",
    ),
    ("TIME", "30s, 1m30s, 500ms, 1.5h"),
    ("ADDR", ":10010, 127.0.0.1:10010, [::1]:10010, localhost:10010; port 0 is a random one"),
];

const SIGNALS: [(&str, &str); 4] = [
    ("SIGTERM, SIGINT", "Drain, then stop; what waits is sent within --shutdown-grace."),
    ("another one, more than a second later", "Stop at once."),
    ("SIGHUP", "Read the configuration again, and the files of keys and tokens. With a fault nothing changes."),
    ("SIGUSR1", "Run the commands in NAME.cmd; the answers go to the log and to NAME.cmd.out."),
];

const FILES: [(&str, &str); 3] = [
    ("NAME.pid", "The process id, while the gateway runs."),
    ("NAME.sock", "The socket of fastway ctl, for the gateway's user and root."),
    ("NAME.cmd, NAME.cmd.out", "Commands to be run at SIGUSR1, and what came of them."),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    ("FASTWAY_SERVER_AUTH_KEY, FASTWAY_ADMIN_TOKEN", "The server key and the admin token, if no flag gives them."),
    ("RUST_LOG", "The log level, if no flag gives it."),
    ("NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID", "Set by systemd, which is told of readiness, state and stops."),
    (
        "LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID",
        "Set by systemd: inherited sockets, named client, server or admin, which replace the address of that port.",
    ),
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "A clean stop, or text that was asked for; of ctl: the command was carried out."),
    ("2", "A faulty command line."),
    ("1", "Everything else."),
];

const SEE_ALSO: &str = "The documentation of the project: flags, operation, security, the protocol.";

fn page(tables: &[Table]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = Page(format!(
        ".\\\" Made by `fastway man`; do not edit.\n.TH FASTWAY 1 \"\" \"fastway {version}\" \"User Commands\"\n"
    ));
    page.section("NAME");
    page.0.push_str("fastway \\- game gateway: virtual connections between players and game servers\n");
    page.section("SYNOPSIS");
    page.0.push_str(".B fastway\n[flags]\n");
    for command in &COMMANDS {
        page.0.push_str(&format!(".br\n.B fastway {}\n", command.word));
        if !command.usage.is_empty() {
            page.text(command.usage);
        }
    }
    page.section("DESCRIPTION");
    page.text(DESCRIPTION);
    page.section("COMMANDS");
    for command in &COMMANDS {
        page.item(&format!("{} {}", command.word, command.usage), command.summary);
    }
    page.section("OPTIONS");
    tables.iter().for_each(|table| page.flags(table));
    COMMANDS.iter().filter_map(|command| command.flags).for_each(|table| page.flags(&table()));
    page.0.push_str(".SS \"Spelling and values:\"\n");
    page.text(SPELLING);
    page.items(&VALUES);
    page.section("SIGNALS");
    page.items(&SIGNALS);
    page.section("FILES");
    page.items(&FILES);
    page.section("ENVIRONMENT");
    page.items(&ENVIRONMENT);
    page.section("EXIT STATUS");
    page.items(&EXIT_STATUS);
    page.section("SEE ALSO");
    page.text(SEE_ALSO);
    page.0
}

/// A manual page in the making, in the macros of man(7).
struct Page(String);

impl Page {
    fn section(&mut self, name: &str) {
        self.0.push_str(&format!(".SH {name}\n"));
    }

    /// The flags of a table, under its heading.
    fn flags(&mut self, table: &Table) {
        self.0.push_str(&format!(".SS \"{}\"\n", escape(table.description)));
        for flag in &table.flags {
            let value = match flag.kind {
                FlagInfoKind::Switch => String::new(),
                FlagInfoKind::Option { arg_name } => format!(" \\fI{arg_name}\\fR"),
            };
            let long = escape(flag.long);
            self.0.push_str(&format!(".TP\n\\fB{long}\\fR{value}\n{}\n", escape(flag.description)));
        }
    }

    fn items(&mut self, items: &[(&str, &str)]) {
        items.iter().for_each(|(name, text)| self.item(name, text));
    }

    fn item(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!(".TP\n.B {}\n{}\n", escape(name.trim_end()), escape(text)));
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&escape(text));
        self.0.push('\n');
    }
}

/// Text as it is to be seen: in man(7) a dash is a hyphen, a backslash begins an escape, and a point or an apostrophe at the
/// beginning of a line a request.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}
