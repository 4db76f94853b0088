//! What is wrong with a command line or a configuration file, and where.

use std::{fmt, vec};

use super::error::{OneLine, UsageError};

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The character in it, counted from 1.
    pub(crate) column: usize,
    /// The file, as it was named.
    pub(crate) file: String,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    place: Option<Place>,
    text: String,
}

impl Place {
    /// `FILE:LINE`.
    pub(crate) fn file_and_line(&self) -> String {
        format!("{}:{}", OneLine::from(&self.file), self.line)
    }
}

/// Everything that is wrong, the file's faults first, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Fault {
    /// `text` is one line.
    pub(crate) fn new(place: Option<Place>, text: impl fmt::Display) -> Self {
        Self { place, text: text.to_string() }
    }

    /// Whether it has a place in a file.
    pub(crate) fn is_in_file(&self) -> bool {
        self.place.is_some()
    }

    fn order(&self) -> (bool, Option<&Place>) {
        (self.place.is_none(), self.place.as_ref())
    }
}

impl Faults {
    /// Adds one.
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// What a step found, or nothing of it and its fault among these.
    pub(super) fn take<T: Default>(&mut self, step: Result<T, Fault>) -> T {
        step.unwrap_or_else(|fault| {
            self.push(fault);
            T::default()
        })
    }

    /// `whole`, if nothing is wrong.
    pub(crate) fn or<T>(self, whole: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(whole) } else { Err(self.in_order()) }
    }

    /// One fault is reported of the command line: the words behind it may mean something else once it is mended.
    pub(crate) fn in_order(mut self) -> Self {
        self.0.sort_by(|a, b| a.order().cmp(&b.order()));
        let in_file = self.0.iter().filter(|fault| fault.is_in_file()).count();
        self.0.truncate(in_file + 1);
        self
    }

    /// The faults in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        self.0.extend(faults);
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<UsageError> for Faults {
    fn from(error: UsageError) -> Self {
        Fault::new(None, error).into()
    }
}

/// `FILE:LINE:COLUMN`.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file_and_line(), self.column)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(out, "{place}: {}", self.text),
            None => out.write_str(&self.text),
        }
    }
}
