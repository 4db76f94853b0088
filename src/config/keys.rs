//! The keys of the file: each is a flag, so that a new flag is a new key.

use std::rc::Rc;

use argh::{FlagInfo, FlagInfoKind, Optionality};

use crate::cli::{Flags, Table, words};

/// The sections, in the order of the file that `fastway init` writes.
pub(super) const SECTIONS: [&str; 5] = ["gateway", "admin", "log", "process", "limits"];

/// Services that later versions have.
pub(super) const RESERVED: [&str; 4] = ["relay", "http", "udp", "proxy"];

/// Flags that say how the file is read, or end before it is.
const NO_KEYS: [&str; 3] = ["config", "help", "version"];

/// Keys that hold from start to end: threads, the pool, the sizes that buffers are made for, and names of files. All others
/// can change while the gateway runs.
const FIXED: [&str; 5] = ["workers", "reuse-port", "max-packet", "name", "pid-file"];
const FIXED_PREFIX: &str = "mem-pool-";

/// One key of the file.
#[derive(Clone)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) section: &'static str,
    /// Its name there.
    pub(super) name: &'static str,
    /// Its flag.
    pub(super) flag: &'static FlagInfo<'static>,
    /// What it holds.
    pub(super) kind: Kind,
    /// The flag's group.
    pub(super) table: Rc<Table>,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Switch,
    /// An integer.
    Count,
    /// Bytes: an integer, or a string with a unit.
    Size,
    /// A number of seconds, or a string with units.
    Time,
    /// An address to listen on.
    Address,
    /// The path of a file.
    Path,
    /// An array of words.
    List,
    /// An array of names of hosts.
    Names,
    /// An array of addresses and networks.
    Networks,
    /// A string that is not shown.
    Secret,
    /// Any other string.
    Text,
}

impl Key {
    /// All of them, section by section.
    pub(super) fn all() -> Vec<Self> {
        let mut keys: Vec<_> = Flags::tables().into_iter().flat_map(Self::of_table).collect();
        keys.sort_by_key(|key| SECTIONS.iter().position(|section| *section == key.section));
        keys
    }

    fn of_table(table: Table) -> Vec<Self> {
        let table = Rc::new(table);
        let of_flag = |flag: &&'static FlagInfo<'static>| {
            let (section, name) = place(flag.long, &table)?;
            Some(Self { section, name, flag, kind: Kind::of(flag), table: Rc::clone(&table) })
        };
        table.flags.iter().filter_map(of_flag).collect()
    }

    /// The flag's name without its dashes.
    pub(super) fn flag_name(&self) -> &'static str {
        self.flag.long.trim_start_matches('-')
    }

    /// Whether it takes an array of what it holds as well.
    pub(super) fn repeats(&self) -> bool {
        self.flag.optionality == Optionality::Repeating
    }

    /// Words that it takes: all that it takes, or further ones.
    pub(super) fn words(&self) -> &'static [&'static str] {
        words(self.flag.long)
    }

    /// Whether it takes nothing but its words.
    pub(super) fn is_choice(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::List) && !self.words().is_empty()
    }

    /// Whether a change takes a restart.
    pub(super) fn is_fixed(&self) -> bool {
        FIXED.contains(&self.flag_name()) || self.flag_name().starts_with(FIXED_PREFIX)
    }

    /// What it is for.
    pub(super) fn description(&self) -> &'static str {
        self.flag.description.split(" (default ").next().unwrap_or_default()
    }

    /// Its default, as the flag takes it; `None`: it has none.
    pub(super) fn default(&self) -> Option<&'static str> {
        if self.kind == Kind::Switch {
            return Some("false");
        }
        let (_, default) = self.flag.description.split_once(" (default ")?;
        Some(default.trim_end_matches(')')).map(|default| if default == "empty" { "" } else { default })
    }

    /// Whether a text is a value of it, or what is.
    pub(super) fn accepts(&self, text: &str) -> Result<(), String> {
        match self.kind {
            Kind::Path if text.is_empty() => Err("the path of a file".to_owned()),
            _ => self.table.accepts(self.flag.long, text),
        }
    }

    /// What it takes, for people.
    pub(super) fn accepted(&self) -> String {
        // No parser that refuses anything takes this.
        let of_parser = || self.accepts("?").err().unwrap_or_else(|| "a string".to_owned());
        match self.kind {
            Kind::Switch => "true or false".to_owned(),
            Kind::Path if self.repeats() => "the path of a file, or an array of paths".to_owned(),
            Kind::Address if self.repeats() => format!("{}, or an array of addresses", of_parser()),
            Kind::Path if self.words().is_empty() => "the path of a file".to_owned(),
            Kind::Path => format!("the path of a file, or {}", quoted(self.words())),
            Kind::Time => format!("{}, or a number of seconds", of_parser()),
            Kind::List if self.is_choice() => format!("an array of {}", quoted(self.words())),
            Kind::List => format!("an array of {}", of_parser()),
            Kind::Networks => "an array of addresses or networks, such as [\"10.0.0.0/8\", \"fd00::/8\"]".to_owned(),
            Kind::Names => "an array of host names, such as [\"gate.example.com\"]".to_owned(),
            _ => of_parser(),
        }
    }
}

impl Kind {
    fn of(flag: &FlagInfo<'_>) -> Self {
        match flag.kind {
            FlagInfoKind::Switch => Self::Switch,
            FlagInfoKind::Option { arg_name } => match arg_name {
                "N" => Self::Count,
                "SIZE" => Self::Size,
                "TIME" => Self::Time,
                "ADDR" => Self::Address,
                "FILE" => Self::Path,
                "LIST" => Self::List,
                "NAMES" => Self::Names,
                "NETWORKS" => Self::Networks,
                "KEY" | "TOKEN" => Self::Secret,
                _ => Self::Text,
            },
        }
    }
}

/// The section and the name of a flag's key, if it has one.
fn place(long: &'static str, table: &Table) -> Option<(&'static str, &'static str)> {
    let name = long.trim_start_matches('-');
    if NO_KEYS.contains(&name) {
        return None;
    }
    let of_section = [("admin-", "admin"), ("log-", "log")];
    let shortened = of_section.iter().find_map(|(prefix, section)| Some((*section, name.strip_prefix(prefix)?)));
    let is_limit = name.starts_with("max-") && name != "max-packet";
    let otherwise = if is_limit { "limits" } else { table.section };
    Some(shortened.unwrap_or((otherwise, name)))
}

/// Words as they stand in a file, with commas between them.
fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flag_is_one_key_but_those_about_the_file_and_the_program() {
        let flags: BTreeSet<_> =
            Flags::tables().into_iter().flat_map(|table| table.flags).map(|flag| flag.long).collect();
        let keys = Key::all();
        let of_keys: BTreeSet<_> = keys.iter().map(|key| key.flag.long).collect();
        let others: Vec<_> = flags.difference(&of_keys).copied().collect();
        assert_eq!(others, ["--config", "--help", "--version"]);
        let places: BTreeSet<_> = keys.iter().map(|key| (key.section, key.name)).collect();
        assert_eq!(places.len(), keys.len(), "two keys have one name");
    }

    #[test]
    fn keys_stand_in_the_section_of_their_subject() {
        let of_section = |section: &str| {
            let keys = Key::all().into_iter().filter(|key| key.section == section);
            keys.map(|key| key.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of_section("admin"), "addr token token-file host ready-needs-server");
        assert_eq!(of_section("log"), "level format");
        let of_process = "name pid-file drain-delay drain-timeout drain-spread shutdown-grace";
        assert_eq!(of_section("process"), of_process);
        assert!(of_section("limits").split(' ').all(|name| name.starts_with("max-")), "{}", of_section("limits"));
        assert!(of_section("gateway").contains("max-packet") && !of_section("gateway").contains("max-links"));
        assert!(Key::all().iter().all(|key| SECTIONS.contains(&key.section)));
    }

    #[test]
    fn each_word_is_taken_and_a_choice_takes_nothing_else() {
        for key in Key::all() {
            for word in key.words() {
                assert_eq!(key.accepts(word), Ok(()), "{}: {word}", key.name);
            }
            if key.is_choice() {
                assert!(key.accepts("another").is_err(), "{}", key.name);
            }
        }
    }

    #[test]
    fn each_default_is_a_value_of_its_key() {
        let with_default = |key: &Key| key.kind != Kind::Switch && key.default().is_some();
        for key in Key::all().iter().filter(|key| with_default(key)) {
            assert_eq!(key.accepts(key.default().unwrap()), Ok(()), "{}", key.name);
        }
    }
}
