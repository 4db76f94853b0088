//! From the spellings that people and old start scripts use to the one that argh takes.
//!
//! `-ClientAddr=x`, `--client-addr x`, `--clientaddr=x` are one flag: names are compared without
//! dashes and in lower case. What flags there are, and which are switches, comes from argh's tables.

use std::ffi::OsString;
use std::iter::Peekable;

use argh::{FlagInfo, FlagInfoKind};

use super::command_line::{CommandLine, ParsedFlag, Text, Value};
use super::error::UsageError;
use super::original;
use super::suggest::nearest;
use super::table::Table;
use super::values;

/// Further names of flags, folded: the original's README and its program differ in one name.
const ALIASES: [(&str, &str); 2] = [("serverauthpassword", "--server-auth-key"), ("h", "--help")];

/// What ends the flags, by custom. Nothing but flags is taken, so nothing may follow.
const END_OF_FLAGS: &str = "--";

/// Reads the words of a command line, the program's name not among them.
pub(super) fn read(words: impl Iterator<Item = OsString>, tables: &[Table]) -> Result<CommandLine, UsageError> {
    let words = words.enumerate().map(utf8).collect::<Result<Vec<_>, _>>()?;
    let mut words = words.into_iter().peekable();
    let mut line = CommandLine::default();
    while let Some(word) = words.next() {
        if word == END_OF_FLAGS {
            return words.next().map_or(Ok(line), |surplus| Err(UsageError::AfterFlags { word: surplus.into() }));
        }
        let (flag, given) = read_flag(&word, &mut words, tables, line.last())?;
        line.push(flag, given);
    }
    Ok(line)
}

fn utf8((index, word): (usize, OsString)) -> Result<String, UsageError> {
    word.into_string().map_err(|word| {
        let word = word.to_string_lossy();
        let flag = word.split_once('=').filter(|(flag, _)| flag.starts_with('-'));
        let is_key = flag.is_some_and(|(flag, _)| canonical_name(flag).starts_with("serverauth"));
        let hint = if is_key { " (a binary key can come from --server-auth-key-file)" } else { "" };
        let flag = flag.map(|(flag, _)| format!(" ({flag}=…)")).unwrap_or_default();
        UsageError::NotUtf8 { position: index + 1, flag: flag.into(), hint }
    })
}

fn read_flag(
    word: &str,
    rest: &mut Peekable<impl Iterator<Item = String>>,
    tables: &[Table],
    previous: Option<&ParsedFlag>,
) -> Result<(&'static FlagInfo<'static>, ParsedFlag), UsageError> {
    let (written, value) = split(word).ok_or_else(|| unexpected(word, previous))?;
    let flag = find(written, tables).ok_or_else(|| unknown(written, tables))?;
    let value = match flag.kind {
        FlagInfoKind::Switch => switch(written, value)?,
        FlagInfoKind::Option { arg_name } => {
            let value = value.map(str::to_owned).or_else(|| rest.next_if(|word| !is_flag(word, tables)));
            let (flag, description) = (written.into(), flag.description);
            let given = value.ok_or(UsageError::MissingValue { flag, arg_name, description })?;
            let meant = original::translate(written, &given).unwrap_or_else(|| given.clone());
            Value::Texts(vec![Text::on_the_line(given, meant)])
        }
    };
    Ok((flag, ParsedFlag::on_the_line(flag.long, written, value)))
}

/// Splits `--name=value` at the first `=`; `None` if the word does not look like a flag.
fn split(word: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    let bare = name.strip_prefix("--").or_else(|| name.strip_prefix('-'))?;
    let is_name = !bare.is_empty() && !bare.starts_with('-');
    is_name.then_some((name, value))
}

/// Whether a word cannot be meant as a value. A value that begins with a dash can.
fn is_flag(word: &str, tables: &[Table]) -> bool {
    split(word).is_some_and(|(name, _)| find(name, tables).is_some())
}

fn find(written: &str, tables: &[Table]) -> Option<&'static FlagInfo<'static>> {
    let name = canonical_name(written);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, long)| canonical_name(long));
    let name = alias.unwrap_or(name);
    all(tables).find(|flag| canonical_name(flag.long) == name)
}

fn all(tables: &[Table]) -> impl Iterator<Item = &'static FlagInfo<'static>> {
    tables.iter().flat_map(|table| table.flags.iter().copied())
}

/// What names are compared by.
pub(crate) fn canonical_name(name: &str) -> String {
    name.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

fn switch(written: &str, value: Option<&str>) -> Result<Value, UsageError> {
    let Some(text) = value else { return Ok(Value::Switch(true)) };
    values::boolean(text).map(Value::Switch).map_err(|accepted| UsageError::InvalidValue {
        flag: written.into(),
        value: text.into(),
        accepted: accepted.into(),
    })
}

fn unexpected(word: &str, previous: Option<&ParsedFlag>) -> UsageError {
    let hint = previous
        .filter(|given| matches!(given.value(), Value::Switch(_)) && values::boolean(word).is_ok())
        .map(|given| format!("; meant {}={word}?", given.written));
    UsageError::UnexpectedArgument { word: word.into(), hint: hint.unwrap_or_default().into() }
}

fn unknown(written: &str, tables: &[Table]) -> UsageError {
    let known = all(tables).map(|flag| (canonical_name(flag.long), flag.long));
    let hint = match nearest(&canonical_name(written), known) {
        Some(long) => format!("did you mean {long}? --help lists all flags"),
        None => "--help lists all flags".to_owned(),
    };
    UsageError::UnknownFlag { flag: written.into(), hint: hint.into() }
}
