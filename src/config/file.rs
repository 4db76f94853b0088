//! From the text of a file to the values of flags, or to all that is wrong with it.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{Key, Kind, RESERVED, SECTIONS};
use super::places::Places;
use super::value::Reader;
use crate::cli::{Fault, OneLine, ParsedFlag, Place, Value, canonical_name, nearest};

/// A file as it was read.
pub(super) struct Source<'a> {
    /// Its name, for people.
    pub(super) name: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// What relative paths in it count from.
    pub(super) folder: &'a Path,
    /// Its permissions, if others than its owner have some.
    pub(super) exposed: Option<u32>,
}

/// What a file says.
#[derive(Default)]
pub(super) struct FileValues {
    /// The values, as flags.
    pub(super) flags: Vec<ParsedFlag>,
    /// Flags whose values cannot be used.
    pub(super) unusable: Vec<&'static str>,
    /// All that is wrong.
    pub(super) faults: Vec<Fault>,
}

/// How many names of keys a message may list.
const MOST_NAMES: usize = 12;

type Name<'a, 'i> = &'a Spanned<DeString<'i>>;
type Item<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// Reads a file.
pub(super) fn read(source: &Source<'_>) -> FileValues {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    let places = Places::new(source.name, text);
    let (table, errors) = DeTable::parse_recoverable(text);

    let mut walk = Walk {
        reader: Reader { places: &places, folder: source.folder },
        keys: Key::all(),
        broken: broken(&errors, &places, text),
        exposed: source.exposed,
        found: FileValues::default(),
    };
    for (name, value) in table.get_ref() {
        walk.top_level(name, value);
    }
    let broken = walk.broken.into_iter().map(|broken| Fault::new(Some(broken.place), broken.text));
    walk.found.faults.extend(broken);
    walk.found
}

/// Places that are no TOML: of each line the first, since the others come of it.
fn broken(errors: &[toml::de::Error], places: &Places<'_>, text: &str) -> Vec<Broken> {
    let broken = errors.iter().map(|error| {
        let span = error.span().unwrap_or_default();
        let place = places.of(span.clone());
        let is_in_heading = places.is_in_heading(&place);
        let text = message(error, text.get(span.clone()).unwrap_or_default(), is_in_heading);
        Broken { offset: span.start, place, is_in_heading, text }
    });
    let mut broken: Vec<_> = broken.collect();
    broken.sort_by(|a, b| a.place.cmp(&b.place));
    broken.dedup_by_key(|broken| broken.place.line);
    broken
}

/// Text of the file stays out of the message, since it may be a secret, but for names of keys.
fn message(error: &toml::de::Error, text: &str, is_in_heading: bool) -> String {
    match error.message() {
        "duplicate key" if is_in_heading => {
            format!("[{}] stands here again: expected each section once", OneLine::from(text))
        }
        "duplicate key" => format!("{} stands here again: expected each key once", OneLine::from(text)),
        message => OneLine::from(message).to_string(),
    }
}

/// A place that is no TOML.
struct Broken {
    offset: usize,
    place: Place,
    /// Whether it is in the heading of a section, so that nobody knows what the keys below it belong to.
    is_in_heading: bool,
    text: String,
}

struct Walk<'a> {
    reader: Reader<'a>,
    keys: Vec<Key>,
    broken: Vec<Broken>,
    exposed: Option<u32>,
    found: FileValues,
}

impl Broken {
    /// Whether it is in an item, or in the `line` where the item begins.
    fn is_in(&self, item: &Range<usize>, line: usize) -> bool {
        self.place.line == line || (item.start..=item.end).contains(&self.offset)
    }
}

/// A key with its value.
fn whole(name: Name<'_, '_>, value: Item<'_, '_>) -> Range<usize> {
    name.span().start..value.span().end
}

impl Walk<'_> {
    /// Whether the parser's idea of an item is a guess: a fault is reported in it, or in the heading above it.
    fn is_guess(&self, item: &Range<usize>) -> bool {
        let line = self.reader.places.of(item.clone()).line;
        let is_above = |broken: &Broken| broken.is_in_heading && broken.place.line < line;
        self.broken.iter().any(|broken| broken.is_in(item, line) || is_above(broken))
    }

    fn fault(&mut self, place: Place, text: String) {
        self.found.faults.push(Fault::new(Some(place), text));
    }

    /// A section, or what should be one.
    fn top_level(&mut self, name: Name<'_, '_>, value: Item<'_, '_>) {
        let section = SECTIONS.iter().find(|section| **section == name.get_ref().as_ref());
        // A table reaches over its items, whose faults are not its own.
        let item = if value.get_ref().is_table() { name.span() } else { whole(name, value) };
        let is_guess = self.is_guess(&item);
        match (section, value.get_ref()) {
            (Some(section), DeValue::Table(table)) => {
                for (name, value) in table {
                    self.key(section, name, value);
                }
            }
            _ if is_guess => {}
            (Some(section), _) => {
                let text = format!("{section} is a section: expected [{section}] once, with keys below it");
                self.fault(self.reader.places.of(name.span()), text);
            }
            (None, _) => {
                let text = self.unknown_at_top(name.get_ref());
                self.fault(self.reader.places.of(name.span()), text);
            }
        }
    }

    fn unknown_at_top(&self, name: &str) -> String {
        if RESERVED.contains(&name) {
            return format!("[[{name}]] is not supported by this version of fastway");
        }
        let shown = OneLine::from(name);
        let sections = SECTIONS.map(|section| format!("[{section}]")).join(", ");
        if let Some(key) = self.keys.iter().find(|key| key.name == name || key.flag_name() == name) {
            return format!("{shown} stands outside of a section: expected {} in [{}]", key.name, key.section);
        }
        let known = SECTIONS.iter().map(|section| (canonical_name(section), section));
        match nearest(&canonical_name(name), known) {
            Some(section) => format!("unknown section {shown}: did you mean [{section}]? There are {sections}"),
            None => format!("unknown section {shown}: expected one of {sections}"),
        }
    }

    /// A key of a section.
    fn key(&mut self, section: &'static str, name: Name<'_, '_>, value: Item<'_, '_>) {
        let is_this = |key: &&Key| key.section == section && key.name == name.get_ref().as_ref();
        let key = self.keys.iter().find(is_this).cloned();
        let item = whole(name, value);
        match (key, self.is_guess(&item)) {
            (Some(key), true) => self.guess(&key, &item),
            (Some(key), false) => self.value(&key, name, value),
            (None, true) => {}
            (None, false) => self.unknown_key(section, name),
        }
    }

    /// Adds to what is reported of a key's value what the key takes.
    fn guess(&mut self, key: &Key, item: &Range<usize>) {
        self.found.unusable.push(key.flag.long);
        let line = self.reader.places.of(item.clone()).line;
        let is_in_value = |broken: &&mut Broken| broken.offset > item.start && broken.is_in(item, line);
        if let Some(broken) = self.broken.iter_mut().find(is_in_value) {
            broken.text.push_str(&format!("; {} takes {}", key.name, key.accepted()));
        }
    }

    fn value(&mut self, key: &Key, name: Name<'_, '_>, value: Item<'_, '_>) {
        let place = self.reader.places.of(value.span());
        match self.reader.read(key, value) {
            // No paths are none at all.
            Ok(Value::Texts(texts)) if texts.is_empty() => {}
            Ok(set) => {
                let flag = ParsedFlag::in_file(key.flag.long, key.name, set, place);
                if key.kind == Kind::Secret && flag.texts().iter().any(|secret| !secret.given.is_empty()) {
                    self.check_readers(key, name);
                }
                self.found.flags.push(flag);
            }
            Err(faults) => {
                self.found.unusable.push(key.flag.long);
                self.found.faults.extend(faults);
            }
        }
    }

    /// A secret may stand in a file that nobody else can read.
    fn check_readers(&mut self, key: &Key, name: Name<'_, '_>) {
        if let Some(mode) = self.exposed {
            let place = self.reader.places.of(name.span());
            let (key, file) = (key.name, OneLine::from(&place.file));
            let text = format!(
                "{key} is a secret, and others may read or write this file (mode {mode:03o}): expected mode 600 (chmod 600 {file}), or \
                 640 where root owns the file"
            );
            self.fault(place, text);
        }
    }

    fn unknown_key(&mut self, section: &'static str, name: Name<'_, '_>) {
        let written = name.get_ref().as_ref();
        let misplaced = self.misplaced_key(written);
        let meant = misplaced.or_else(|| self.nearest_key(section, written));
        let hint = match meant {
            None => self.names(section),
            Some(key) if key.section == section => format!("did you mean {}?", key.name),
            Some(key) if misplaced.is_some() => format!("expected {} in [{}]", key.name, key.section),
            Some(key) => format!("did you mean {} in [{}]?", key.name, key.section),
        };

        // What the key would have set is not known.
        let unusable = meant.map(|key| key.flag.long);
        self.found.unusable.extend(unusable);
        let text = format!("unknown key {} in [{section}]: {hint}", OneLine::from(written));
        self.fault(self.reader.places.of(name.span()), text);
    }

    /// The key of another section with this name, or of this one with the name of its flag.
    fn misplaced_key(&self, written: &str) -> Option<&Key> {
        let by_flag = self.keys.iter().find(|key| key.flag_name() == written);
        by_flag.or_else(|| self.keys.iter().find(|key| key.name == written))
    }

    /// The keys of a section, unless they are too many for a line.
    fn names(&self, section: &str) -> String {
        let names: Vec<_> = self.keys.iter().filter(|key| key.section == section).map(|key| key.name).collect();
        let is_short = names.len() <= MOST_NAMES;
        if is_short {
            format!("expected one of {}", names.join(", "))
        } else {
            "fastway init lists all keys".to_owned()
        }
    }

    /// The key that was probably meant: of this section, or else of another.
    fn nearest_key(&self, section: &str, written: &str) -> Option<&Key> {
        let written = canonical_name(&written.replace('_', "-"));
        let here = self.keys.iter().filter(|key| key.section == section);
        let of_section = nearest(&written, here.map(|key| (canonical_name(key.name), key)));
        let by_flag = || nearest(&written, self.keys.iter().map(|key| (canonical_name(key.flag_name()), key)));
        let by_name = || nearest(&written, self.keys.iter().map(|key| (canonical_name(key.name), key)));
        of_section.or_else(by_flag).or_else(by_name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> FileValues {
        read(&Source { name: "f.toml", text, folder: Path::new(""), exposed: Some(0o644) })
    }

    #[test]
    fn keys_with_a_fault_set_nothing_and_are_not_judged_by_others() {
        let read = of("[gateway]\nworkers = 'x'\nmax-pocket = 1\nclient-max-conn = 4 4\nserver-addr = ':1'\n");
        let set: Vec<_> = read.flags.iter().filter_map(ParsedFlag::place).map(|place| place.line).collect();
        assert_eq!((set, read.faults.len()), (vec![5], 3));
        let mut unusable = read.unusable;
        unusable.sort_unstable();
        assert_eq!(unusable, ["--client-max-conn", "--max-packet", "--workers"]);
    }

    proptest! {
        #[test]
        fn any_text_gives_values_or_faults_of_one_line(parts in prop::collection::vec(part(), 0..40)) {
            let text = parts.concat();
            let read = of(&text);
            for fault in &read.faults {
                let shown = fault.to_string();
                prop_assert!(fault.is_in_file() && !shown.contains(char::is_control), "{:?}", shown);
            }
            let is_toml = DeTable::parse(&text).is_ok();
            prop_assert!(is_toml || !read.faults.is_empty(), "{:?}", text);
        }
    }

    /// Parts near enough to a file to get far into it.
    fn part() -> impl Strategy<Value = String> {
        let names = prop::sample::select(Key::all().into_iter().map(|key| key.name.to_owned()).collect::<Vec<_>>());
        let words = prop::sample::select(vec![
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            ",",
            ".",
            "=",
            " = ",
            "\n",
            "\n[gateway]\n",
            "\n[limits]\n",
            "relay",
            "'",
            "\"",
            "\"\"\"",
            "#",
            "\\",
            "1",
            "-1",
            "1.5",
            "inf",
            "true",
            "'1K'",
            "['plain']",
            "00:00:30",
            "\r",
            "\0",
            "é",
            "\u{202e}",
        ]);
        prop_oneof![
            names.clone(),
            (names, "[0-9a-z'\\[\\]\".]{0,8}").prop_map(|(name, value)| format!("\n{name} = {value}\n")),
            words.prop_map(str::to_owned),
            any::<String>(),
        ]
    }
}
