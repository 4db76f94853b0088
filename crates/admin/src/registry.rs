//! The registry of commands, and the parsing of a command line.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write};

use serde::Serialize;

/// The commands of a gateway by their names.
///
/// A name is one word or several (`help`, `lookup gc`); a line calls the command with the longest name that it begins
/// with, and the words behind it are the arguments. `help` is always there.
///
/// ```
/// # use std::fmt::Write;
/// # use fastway_admin::Registry;
/// let mut registry = Registry::default();
/// registry
///     .register("greet", "WHO", "says hello", |args, answer| {
///         for who in args.words() {
///             writeln!(answer, "hello {who}")?;
///         }
///         Ok(())
///     })
///     .unwrap();
/// let mut answer = String::new();
/// registry.run("greet Ann", &mut answer).unwrap();
/// assert_eq!(answer, "hello Ann\n");
/// ```
#[derive(Default)]
pub struct Registry {
    commands: BTreeMap<String, Command>,
}

/// A registered command.
struct Command {
    usage: String,
    help: String,
    handler: Box<Handler>,
}

/// The description of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandInfo {
    /// Its name, one word or several.
    pub name: String,
    /// Its arguments.
    pub usage: String,
    /// What it does, in one line.
    pub help: String,
}

type Handler = dyn FnMut(Args<'_>, &mut dyn Write) -> Result<(), CommandError> + Send;

/// The words behind the name of a command.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    words: &'a [&'a str],
}

/// Why a command had no effect, or not its full effect.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The operator named an unknown command.
    #[error("there is no command {0}; `help` lists the commands")]
    Unknown(Excerpt),
    /// The operator gave an argument that the command does not accept.
    #[error("{found} is not {wanted}")]
    Argument {
        /// What the operator gave.
        found: Excerpt,
        /// What is accepted in its place.
        wanted: &'static str,
    },
    /// The operator left an argument out.
    #[error("an argument is missing: {0}")]
    Missing(&'static str),
    /// The command does not fit the current state, for example a stop without a start.
    #[error("{0}")]
    State(&'static str),
    /// An operation of the command failed.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// The beginning of an operator's input, shown quoted in a form that is safe in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    start: String,
    cut: bool,
}

/// Why a command cannot be registered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The name is taken.
    #[error("there is a command {0:?} already")]
    Taken(String),
    /// The name is not made of words with one space between them, or it is `help`'s own.
    #[error(
        "{0:?} cannot be the name of a command: it must be words with one space between them, and not begin with `help`"
    )]
    BadName(String),
}

impl Registry {
    /// Adds a command.
    ///
    /// `usage` shows its arguments and `help` says in one line what it does. `handler` writes its answer, which goes to
    /// the log line by line.
    ///
    /// # Errors
    /// When there is a command of that name already, or when the name is none.
    pub fn register(
        &mut self,
        name: &str,
        usage: &str,
        help: &str,
        handler: impl FnMut(Args<'_>, &mut dyn Write) -> Result<(), CommandError> + Send + 'static,
    ) -> Result<(), RegisterError> {
        let words: Vec<&str> = name.split_whitespace().collect();
        if words.first().is_none_or(|&first| first == "help") || words.join(" ") != name {
            return Err(RegisterError::BadName(name.to_owned()));
        }

        if self.commands.contains_key(name) {
            return Err(RegisterError::Taken(name.to_owned()));
        }

        let command = Command { usage: usage.to_owned(), help: help.to_owned(), handler: Box::new(handler) };
        self.commands.insert(name.to_owned(), command);
        Ok(())
    }

    /// Runs the command that `line` calls and writes its answer to `answer`.
    ///
    /// # Errors
    /// When there is no such command or when it fails; the error goes to the operator as it is.
    pub fn run(&mut self, line: &str, answer: &mut dyn Write) -> Result<(), CommandError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"help") {
            return self.help(Args { words: words.get(1..).unwrap_or_default() }, answer);
        }
        // A name can be the beginning of another one, so the longest is tried first.
        for (name, args) in splits(&words) {
            if let Some(command) = self.commands.get_mut(&name.join(" ")) {
                return (command.handler)(Args { words: args }, answer);
            }
        }
        Err(CommandError::Unknown(Excerpt::new(line)))
    }

    fn help(&self, args: Args<'_>, answer: &mut dyn Write) -> Result<(), CommandError> {
        args.none()?;
        for CommandInfo { name, usage, help } in self.list() {
            let call = format!("{name} {usage}");
            writeln!(answer, "{:<24} {help}", call.trim_end())?;
        }
        Ok(())
    }

    /// All commands: `help` first, the others by name.
    pub fn list(&self) -> Vec<CommandInfo> {
        let info = |name: &str, usage: &str, help: &str| CommandInfo {
            name: name.to_owned(),
            usage: usage.to_owned(),
            help: help.to_owned(),
        };
        let others = self.commands.iter().map(|(name, command)| info(name, &command.usage, &command.help));
        std::iter::once(info("help", "", "lists the commands")).chain(others).collect()
    }
}

/// Longest name, in words: a long line costs no more lookups than a short one.
const MAX_NAME_WORDS: usize = 8;

/// The ways to split a line into name and arguments, the longest name first.
fn splits<'a, 'w>(words: &'w [&'a str]) -> impl Iterator<Item = (&'w [&'a str], &'w [&'a str])> {
    (1..=words.len().min(MAX_NAME_WORDS)).rev().filter_map(|count| words.split_at_checked(count))
}

impl<'a> Args<'a> {
    /// The words themselves.
    pub fn words(self) -> &'a [&'a str] {
        self.words
    }

    /// For a command that takes no arguments.
    ///
    /// # Errors
    /// When there is one.
    pub fn none(self) -> Result<(), CommandError> {
        self.words.first().map_or(Ok(()), |&word| Err(CommandError::argument(word, "expected: no arguments are taken")))
    }
}

impl CommandError {
    /// The operator gave `found` where `wanted` is accepted.
    pub fn argument(found: &str, wanted: &'static str) -> Self {
        Self::Argument { found: Excerpt::new(found), wanted }
    }

    /// An operation of the command failed.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<fmt::Error> for CommandError {
    fn from(error: fmt::Error) -> Self {
        Self::failed(error)
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl Excerpt {
    /// Longest excerpt, in characters.
    const MAX_CHARS: usize = 64;

    /// The beginning of `text`.
    pub(crate) fn new(text: &str) -> Self {
        let start: String = text.chars().take(Self::MAX_CHARS).collect();
        let cut = start.len() < text.len();
        Self { start, cut }
    }

    /// The text without quotes, for a field of a log line, which the log quotes where needed.
    pub(crate) fn plain(self) -> String {
        let cut = self.mark();
        self.start + cut
    }

    fn mark(&self) -> &'static str {
        if self.cut { "…" } else { "" }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.start, self.mark())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.commands.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry whose commands answer with their own name and their arguments.
    fn echoing(names: &[&'static str]) -> Registry {
        let mut registry = Registry::default();
        for &name in names {
            registry
                .register(name, "[n]", "echoes", move |args, out| Ok(write!(out, "{name}:{:?}", args.words())?))
                .unwrap();
        }
        registry
    }

    fn answer(registry: &mut Registry, line: &str) -> Result<String, String> {
        let mut answer = String::new();
        registry.run(line, &mut answer).map(|()| answer).map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_name_is_called() {
        let mut registry = echoing(&["lookup", "lookup gc", "reload"]);
        assert_eq!(answer(&mut registry, "lookup gc 3").unwrap(), r#"lookup gc:["3"]"#);
        assert_eq!(answer(&mut registry, "lookup heap 3").unwrap(), r#"lookup:["heap", "3"]"#);
        assert_eq!(answer(&mut registry, "  reload\t a  b ").unwrap(), r#"reload:["a", "b"]"#);
    }

    #[test]
    fn a_part_of_a_name_calls_nothing() {
        let mut registry = echoing(&["lookup gc"]);
        for line in ["lookup", "lookup g", "lookupgc", "gc", "LOOKUP GC", ""] {
            let error = answer(&mut registry, line).unwrap_err();
            assert_eq!(error, format!("there is no command {line:?}; `help` lists the commands"));
        }
    }

    #[test]
    fn help_lists_every_command_with_its_arguments() {
        let mut registry = echoing(&["lookup gc", "cpuprof start"]);
        let help = answer(&mut registry, "help").unwrap();
        let calls: Vec<&str> = help.lines().map(|line| line[..24].trim_end()).collect();
        assert_eq!(calls, ["help", "cpuprof start [n]", "lookup gc [n]"]);
        assert!(help.lines().all(|line| line.len() > 25));
    }

    #[test]
    fn help_takes_no_arguments() {
        assert!(answer(&mut Registry::default(), "help me").unwrap_err().starts_with("\"me\" is not expected"));
    }

    #[test]
    fn a_name_is_given_once() {
        let mut registry = echoing(&["reload"]);
        let again = registry.register("reload", "", "", |_, _| Ok(()));
        assert_eq!(again, Err(RegisterError::Taken("reload".to_owned())));
    }

    #[test]
    fn names_that_no_line_can_call_are_refused() {
        for name in ["", " ", " a", "a ", "a  b", "a\tb", "help", "help me"] {
            let result = Registry::default().register(name, "", "", |_, _| Ok(()));
            assert_eq!(result, Err(RegisterError::BadName(name.to_owned())));
        }
    }

    #[test]
    fn an_error_repeats_little_of_a_line_and_nothing_that_could_forge_a_log() {
        let error = answer(&mut Registry::default(), &"\u{1b}[2J\n".repeat(9999)).unwrap_err();
        assert!(error.len() < 1000 && !error.contains(['\u{1b}', '\n']), "{error}");
    }

    #[test]
    fn a_command_without_arguments_names_the_first_one_it_gets() {
        let args = Args { words: &["now", "please"] };
        assert_eq!(args.none().unwrap_err().to_string(), r#""now" is not expected: no arguments are taken"#);
        assert!(Args { words: &[] }.none().is_ok());
    }
}
