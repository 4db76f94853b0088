//! The flags of a command line, and the values of a configuration file below them.

use argh::FlagInfo;
use argh::Optionality;

use super::error::{OneLine, UsageError};
use super::fault::{Fault, Place};
use super::original;
use super::table::Table;

/// Flags of which one decides what the other says as well: given on the command line, it overrules both in the file.
const ALTERNATIVES: [[&str; 2]; 4] = [
    ["--server-auth-key", "--server-auth-key-file"],
    ["--admin-token", "--admin-token-file"],
    ["--client-link", "--client-snet-enable"],
    ["--server-link", "--server-snet-enable"],
];

/// The flags that were given, each once. Not for logs: a value may be the key.
#[derive(Clone, Default)]
pub(crate) struct CommandLine {
    flags: Vec<ParsedFlag>,
    /// Those that the file gives a value that cannot be used.
    unusable: Vec<&'static str>,
    /// Whether there is a file, so that values have the names of its keys.
    has_file: bool,
}

/// One flag with its value.
#[derive(Clone)]
pub(crate) struct ParsedFlag {
    /// The flag's name for argh, dashes included.
    long: &'static str,
    /// The flag as written, without its value; in a file the name of its key.
    pub(super) written: OneLine,
    value: Value,
    /// Where the value stands in the file; `None`: it is on the command line.
    place: Option<Place>,
}

#[derive(Clone)]
pub(crate) enum Value {
    Switch(bool),
    /// Several for a flag that may be repeated.
    Texts(Vec<Text>),
}

/// One value of a flag.
#[derive(Clone)]
pub(crate) struct Text {
    /// As it was given.
    pub(crate) given: String,
    /// As argh takes it.
    pub(crate) meant: String,
    /// Where it stands in the file.
    pub(crate) place: Option<Place>,
}

impl CommandLine {
    /// Takes a flag of the command line. The last one counts, unless the flag may be repeated.
    pub(super) fn push(&mut self, info: &FlagInfo<'_>, new: ParsedFlag) {
        let earlier = self.flags.iter().position(|earlier| earlier.long == new.long).map(|at| self.flags.remove(at));
        let new = match (earlier.map(|earlier| earlier.value), new.value) {
            (Some(Value::Texts(mut texts)), Value::Texts(further)) if repeats(info, &new.written) => {
                texts.extend(further);
                ParsedFlag { value: Value::Texts(texts), ..new }
            }
            (_, value) => ParsedFlag { value, ..new },
        };
        self.flags.push(new);
    }

    /// The flag that was given last.
    pub(super) fn last(&self) -> Option<&ParsedFlag> {
        self.flags.last()
    }

    /// Lays these flags over the values of a file, of which some are `unusable`.
    pub(crate) fn over(&self, file: Vec<ParsedFlag>, unusable: Vec<&'static str>) -> Self {
        let mut laid = file;
        laid.retain(|value| !self.overrules(value.long));
        laid.extend(self.flags.iter().cloned());
        Self { flags: laid, unusable, has_file: true }
    }

    fn overrules(&self, long: &str) -> bool {
        let is_given = |flag: &str| self.given(flag).is_some();
        let alternatives = ALTERNATIVES.iter().filter(|pair| pair.contains(&long));
        is_given(long) || alternatives.flatten().any(|other| is_given(other))
    }

    /// These flags, one of them as it is elsewhere.
    pub(crate) fn with(mut self, long: &str, elsewhere: Option<&ParsedFlag>) -> Self {
        self.flags.retain(|flag| flag.long != long);
        self.flags.extend(elsewhere.cloned());
        self
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, long: &str) -> bool {
        self.given(long).is_some_and(|given| matches!(given.value, Value::Switch(true)))
    }

    /// Whether and how a flag was given.
    pub(crate) fn given(&self, long: &str) -> Option<&ParsedFlag> {
        self.flags.iter().find(|given| given.long == long)
    }

    /// Whether nothing can be said of a flag: the file gives it a value, which is at fault already.
    pub(super) fn is_unusable(&self, long: &str) -> bool {
        self.unusable.contains(&long)
    }

    /// A flag's name, as the operator wrote it if they did.
    pub(super) fn written(&self, long: &'static str) -> OneLine {
        let name = if self.has_file { long.trim_start_matches('-') } else { long };
        self.given(long).map_or_else(|| name.into(), |given| given.written.clone())
    }

    /// An error that is the fault of a flag's value.
    pub(super) fn fault(&self, long: &str, error: UsageError) -> Fault {
        Fault::new(self.given(long).and_then(|given| given.place.clone()), error)
    }

    /// The words of one group of flags, as argh takes them: `--flag`, `value`.
    pub(super) fn words_for(&self, table: &Table) -> Vec<&str> {
        let of_table = self.flags.iter().filter(|given| table.flags.iter().any(|flag| flag.long == given.long));
        of_table.flat_map(ParsedFlag::words).collect()
    }

    /// Whose fault argh's complaint is, in the operator's spelling.
    pub(super) fn attribute_error(&self, complaint: &str) -> UsageError {
        let complaint = complaint.trim_end();
        let blame = |given: &ParsedFlag| {
            let mut texts = given.texts().iter();
            texts.find_map(|text| text.accepted(given.long, complaint).map(|accepted| given.invalid(text, accepted)))
        };
        self.flags.iter().find_map(blame).unwrap_or_else(|| UsageError::Other(complaint.into()))
    }
}

/// Whether a flag, as it is written, adds to those before it.
fn repeats(info: &FlagInfo<'_>, written: &OneLine) -> bool {
    info.optionality == Optionality::Repeating && !original::is_address(&written.to_string())
}

impl ParsedFlag {
    /// A flag of the command line.
    pub(super) fn on_the_line(long: &'static str, written: &str, value: Value) -> Self {
        Self { long, written: written.into(), value, place: None }
    }

    /// A value of a file, `written` the name of its key.
    pub(crate) fn in_file(long: &'static str, written: &str, value: Value, place: Place) -> Self {
        Self { long, written: written.into(), value, place: Some(place) }
    }

    /// What it is set to.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Where it stands in the file, if it does.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The error for the value, which its flag does not take.
    pub(super) fn fault(&self, accepted: &str) -> Fault {
        let error = self.texts().last().map(|text| self.invalid(text, accepted));
        Fault::new(self.place.clone(), error.unwrap_or_else(|| UsageError::Other(accepted.into())))
    }

    /// The error for one value that its flag does not take.
    pub(super) fn invalid(&self, text: &Text, accepted: &str) -> UsageError {
        let mut accepted = accepted.to_owned();
        if matches!(text.given.as_bytes(), [b'0', b'0'..=b'9', ..]) {
            accepted.push_str(", without leading zeros");
        }
        let (flag, value) = (self.written.clone(), text.given.as_str().into());
        UsageError::InvalidValue { flag, value, accepted: accepted.into() }
    }

    /// The values of a flag that is no switch.
    pub(crate) fn texts(&self) -> &[Text] {
        match &self.value {
            Value::Texts(texts) => texts,
            Value::Switch(_) => &[],
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let switch = matches!(self.value, Value::Switch(true)).then_some(self.long);
        let options = self.texts().iter().flat_map(|text| [self.long, text.meant.as_str()]);
        switch.into_iter().chain(options)
    }
}

impl Text {
    /// A value on the command line.
    pub(super) fn on_the_line(given: String, meant: String) -> Self {
        Self { given, meant, place: None }
    }

    /// What the value's parser said, if argh's complaint is about this value of a flag.
    fn accepted<'a>(&self, long: &str, complaint: &'a str) -> Option<&'a str> {
        complaint.strip_prefix(&format!("Error parsing option '{long}' with value '{}': ", self.meant))
    }
}
