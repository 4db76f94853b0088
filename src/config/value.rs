//! From a value of the file to the value of a flag.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::keys::{Key, Kind};
use super::places::Places;
use crate::cli::{Fault, OneLine, Text, UsageError, Value};

/// What values are read with.
pub(super) struct Reader<'a> {
    /// Where values stand.
    pub(super) places: &'a Places<'a>,
    /// What relative paths count from.
    pub(super) folder: &'a Path,
}

type Element<'a, 'i> = &'a Spanned<DeValue<'i>>;

impl Reader<'_> {
    /// The value of a key.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn read(&self, key: &Key, value: Element<'_, '_>) -> Result<Value, Vec<Fault>> {
        match (key.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
            (Kind::List | Kind::Names | Kind::Networks, DeValue::Array(elements)) => {
                self.list(key, value, &elements.iter().collect::<Vec<_>>())
            }
            (Kind::Address, DeValue::Array(none)) if none.is_empty() => {
                Err(vec![self.invalid(key, "[]", value, &key.accepted())])
            }
            (_, DeValue::Array(elements)) if key.repeats() => each(elements.iter().map(|one| self.one(key, one))),
            (Kind::List | Kind::Names | Kind::Networks | Kind::Switch, _) => Err(vec![self.wrong_type(key, value)]),
            _ => each([self.one(key, value)].into_iter()),
        }
    }

    /// An array of words, which the flag takes with commas between them.
    fn list(&self, key: &Key, whole: Element<'_, '_>, elements: &[Element<'_, '_>]) -> Result<Value, Vec<Fault>> {
        let words = elements.iter().map(|element| match element.get_ref() {
            DeValue::String(word) if !word.is_empty() && !word.contains(',') && key.accepts(word).is_ok() => {
                Ok(word.as_ref())
            }
            DeValue::String(word) => Err(self.invalid(key, word, element, &key.accepted())),
            _ => Err(self.wrong_type(key, element)),
        });
        let (words, faults): (Vec<_>, Vec<_>) = words.partition(Result::is_ok);
        let joined = words.into_iter().flatten().collect::<Vec<_>>().join(",");
        let faults: Vec<_> = faults.into_iter().filter_map(Result::err).collect();
        match key.accepts(&joined) {
            Ok(()) if faults.is_empty() => Ok(Value::Texts(vec![self.text(joined.clone(), joined, whole)])),
            Err(_) if elements.is_empty() => Err(vec![self.invalid(key, "[]", whole, &key.accepted())]),
            _ => Err(faults),
        }
    }

    /// A single value.
    fn one(&self, key: &Key, value: Element<'_, '_>) -> Result<Text, Fault> {
        let given = given(key, value.get_ref()).ok_or_else(|| self.wrong_type(key, value))?;
        let meant = self.meant(key, &given, value.get_ref());
        let accepted = |accepted| if key.kind == Kind::Time { key.accepted() } else { accepted };
        key.accepts(&meant).map_err(|parser| self.invalid(key, &given, value, &accepted(parser)))?;
        Ok(self.text(given, meant, value))
    }

    /// A value as its flag takes it.
    fn meant(&self, key: &Key, given: &str, value: &DeValue<'_>) -> String {
        match (key.kind, value) {
            (Kind::Time, DeValue::Integer(_) | DeValue::Float(_)) => format!("{given}s"),
            (Kind::Path, _) if !given.is_empty() && !key.words().contains(&given) => {
                self.folder.join(given).to_string_lossy().into_owned()
            }
            _ => given.to_owned(),
        }
    }

    fn text(&self, given: String, meant: String, value: Element<'_, '_>) -> Text {
        Text { given, meant, place: Some(self.places.of(value.span())) }
    }

    fn invalid(&self, key: &Key, given: &str, value: Element<'_, '_>, accepted: &str) -> Fault {
        let (flag, given) = (OneLine::from(key.name), OneLine::from(given));
        let error = UsageError::InvalidValue { flag, value: given, accepted: accepted.into() };
        Fault::new(Some(self.places.of(value.span())), error)
    }

    fn wrong_type(&self, key: &Key, value: Element<'_, '_>) -> Fault {
        let (name, kind) = (key.name, name_of_type(value.get_ref()));
        let is_quoted = key.kind == Kind::Count && value.get_ref().is_str();
        let quotes = if is_quoted { ", without quotes" } else { "" };
        let text = format!("{name} cannot be {kind}: expected {}{quotes}", key.accepted());
        Fault::new(Some(self.places.of(value.span())), text)
    }
}

fn each(texts: impl Iterator<Item = Result<Text, Fault>>) -> Result<Value, Vec<Fault>> {
    let (texts, faults): (Vec<_>, Vec<_>) = texts.partition(Result::is_ok);
    let faults: Vec<_> = faults.into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(Value::Texts(texts.into_iter().flatten().collect())) } else { Err(faults) }
}

/// A value as text; `None`: it has another type than its key.
fn given(key: &Key, value: &DeValue<'_>) -> Option<String> {
    match (key.kind, value) {
        // A number in quotes is refused, whatever number it is.
        (Kind::Count, DeValue::String(word)) if !is_word(key, word) => None,
        (Kind::Count | Kind::Size | Kind::Time, DeValue::Integer(number)) => Some(decimal(number)),
        (Kind::Time, DeValue::Float(seconds)) => seconds.as_str().parse::<f64>().ok().map(|number| number.to_string()),
        (Kind::Switch | Kind::List | Kind::Names | Kind::Networks, _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// Whether a string may be a word that a key takes beside numbers.
fn is_word(key: &Key, text: &str) -> bool {
    !key.words().is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A number in the base of flags. One that is none in TOML is said to be so, which no flag takes.
fn decimal(number: &DeInteger<'_>) -> String {
    let whole = i64::from_str_radix(number.as_str(), number.radix());
    whole.map_or_else(|_| format!("{number}, beyond 64 bits"), |number| number.to_string())
}

fn name_of_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
