//! What a configuration that is read again changes.

use std::fmt;

use fastway::config::Secret;
use fastway_session::PublicKey;

use super::keys::{Key, Kind};
use super::loaded::Loaded;
use super::show;

/// The keys that differ between two readings, and those that were given and do not.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    changed: Vec<Change>,
    /// Those that have an effect at the start alone.
    needs_restart: Vec<Change>,
    unchanged: Vec<&'static str>,
}

#[derive(Debug)]
struct Change {
    flag: &'static str,
    /// For people: the new value and the old one, as far as they are shown.
    text: String,
}

/// What the values of a key are read from or stand for, where the values themselves do not tell.
#[derive(PartialEq, Eq)]
enum Content<'a> {
    Nothing,
    Secrets(Vec<&'a Secret>),
    Keys(Vec<PublicKey>),
}

impl Changes {
    /// What `after` changes of `before`.
    pub(super) fn between(before: &Loaded, after: &Loaded) -> Self {
        let mut changes = Self::default();
        for key in Key::all() {
            let is_given = |loaded: &Loaded| loaded.line.given(key.flag.long).is_some();
            match Change::of(&key, before, after) {
                Some(change) if key.is_fixed() => changes.needs_restart.push(change),
                Some(change) => changes.changed.push(change),
                None if is_given(after) => changes.unchanged.push(key.flag_name()),
                None => {}
            }
        }
        changes
    }

    /// What needs a restart by these, and what changes without it by others.
    pub(super) fn of_rest(self, rest: Self) -> Self {
        let mut unchanged = rest.unchanged;
        unchanged.retain(|name| self.needs_restart.iter().all(|change| change.flag.trim_start_matches('-') != *name));
        Self { needs_restart: self.needs_restart, changed: rest.changed, unchanged }
    }

    /// The flags that need a restart.
    pub(super) fn fixed(&self) -> Vec<&'static str> {
        self.needs_restart.iter().map(|change| change.flag).collect()
    }

    /// Whether one of these flags has another value.
    pub(crate) fn has(&self, flags: &[&str]) -> bool {
        self.changed.iter().any(|change| flags.contains(&change.flag))
    }

    /// How many keys changed, and how many need a restart.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.changed.len(), self.needs_restart.len())
    }
}

impl Change {
    fn of(key: &Key, before: &Loaded, after: &Loaded) -> Option<Self> {
        let value = |loaded: &Loaded| show::value(key, &loaded.options, &loaded.line);
        let (was, is) = (value(before), value(after));
        let name = key.flag_name();
        let text = match was == is {
            true if Content::of(key, before) == Content::of(key, after) => return None,
            true => format!("{name}: what it holds"),
            false if key.kind == Kind::Secret => format!("{name}: hidden"),
            false => format!("{name} = {} (was {})", shown(is.as_deref()), shown(was.as_deref())),
        };
        Some(Self { flag: key.flag.long, text })
    }
}

impl<'a> Content<'a> {
    fn of(key: &Key, loaded: &'a Loaded) -> Self {
        let options = &loaded.options;
        let settings = &options.config.settings;
        match key.flag.long {
            _ if loaded.line.given(key.flag.long).is_none() => Self::Nothing,
            "--server-auth-key-file" => Self::Secrets(settings.server_auth_keys.iter().collect()),
            "--admin-token-file" => Self::Secrets(vec![&options.admin.token]),
            "--session-key" => Self::Keys(settings.sessions.keys.iter().map(|pair| pair.public()).collect()),
            _ => Self::Nothing,
        }
    }
}

fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("none")
}

/// A line for each key that changed, one for those that did not.
impl fmt::Display for Changes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changed.is_empty() {
            writeln!(out, "nothing changed")?;
        }
        for Change { text, .. } in &self.changed {
            writeln!(out, "changed: {text}")?;
        }
        for Change { text, .. } in &self.needs_restart {
            writeln!(out, "needs a restart: {text}")?;
        }
        if !self.unchanged.is_empty() {
            writeln!(out, "not changed: {}", self.unchanged.join(", "))?;
        }
        Ok(())
    }
}
