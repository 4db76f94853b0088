//! The commands that start a gateway and ask it something, with places for the addresses and the key.

use std::path::Path;
use std::process::Command;

use crate::load::{GatewayAddrs, LinkKind};

const CLIENT: &str = "{client}";
const SERVER: &str = "{server}";
const KEY: &str = "{key}";

/// A command line in words, as a shell would split it: quotes hold words together, a backslash takes the next
/// character as it is. Nothing else of a shell is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<String>);

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("the command is empty")]
    Empty,
    #[error("a quote {0} is not closed")]
    Unclosed(char),
    #[error("the command does not say where {0} goes")]
    Missing(&'static str),
}

impl Template {
    /// Reads a command that starts a gateway: it has a place for both addresses; the key may have one.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let Self(words) = Self::question(text)?;
        for place in [CLIENT, SERVER] {
            if !words.iter().any(|word| word.contains(place)) {
                return Err(TemplateError::Missing(place));
            }
        }
        Ok(Self(words))
    }

    /// Reads a command that asks a gateway something: it need not say where it is.
    pub(crate) fn question(text: &str) -> Result<Self, TemplateError> {
        let words = split(text)?;
        match words.is_empty() {
            true => Err(TemplateError::Empty),
            false => Ok(Self(words)),
        }
    }

    /// Asks the gateway in whose directory it runs, which `program` is, for what it counts.
    pub(crate) fn fastway_stats(program: &Path) -> Self {
        Self([&program.to_string_lossy(), "ctl", "stats"].map(str::to_owned).to_vec())
    }

    /// The command for `program`, which takes fastway's flags.
    pub(crate) fn fastway(program: &Path, players: LinkKind) -> Self {
        let flags = ["--client-addr", CLIENT, "--server-addr", SERVER, "--server-auth-key", KEY, "--log-level", "warn"];
        let sessions: &[&str] = match players {
            LinkKind::Plain => &[],
            LinkKind::Secure => &["--client-link", "plain,secure"],
        };
        let words = flags.iter().chain(sessions).map(|word| (*word).to_owned());
        Self([program.to_string_lossy().into_owned()].into_iter().chain(words).collect())
    }

    /// The command with its places filled. A program that is named by a relative path is looked for here, wherever it
    /// is started.
    pub(crate) fn command(&self, GatewayAddrs { client, server, key, .. }: &GatewayAddrs) -> Command {
        let fill = |word: &String| {
            word.replace(CLIENT, &client.to_string()).replace(SERVER, &server.to_string()).replace(KEY, key)
        };
        let mut words = self.0.iter().map(fill);
        let mut command = Command::new(here(&words.next().unwrap_or_default()));
        command.args(words);
        command
    }
}

fn here(program: &str) -> std::path::PathBuf {
    match program.contains('/') {
        true => std::path::absolute(program).unwrap_or_else(|_| program.into()),
        false => program.into(),
    }
}

fn split(text: &str) -> Result<Vec<String>, TemplateError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    match quote {
        Some(open) => Err(TemplateError::Unclosed(open)),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn addrs(key: &str) -> GatewayAddrs {
        let port = |port| SocketAddr::from(([127, 0, 0, 1], port));
        GatewayAddrs { client: port(1), server: port(2), key: key.to_owned(), players: LinkKind::Plain }
    }

    #[test]
    fn places_are_filled_wherever_they_stand_in_a_word() {
        let template = Template::parse("gw -ClientAddr={client} -s {server} '-Key={key}'").unwrap();
        let command = template.command(&addrs("a b"));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(words, ["-ClientAddr=127.0.0.1:1", "-s", "127.0.0.1:2", "-Key=a b"]);
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split(r#" a  "b c" d'e f'g \' "\"" '' "#).unwrap(), ["a", "b c", "de fg", "'", "\"", ""]);
        assert_eq!(split("a 'b"), Err(TemplateError::Unclosed('\'')));
    }

    #[test]
    fn a_command_has_to_say_where_the_addresses_go() {
        assert_eq!(Template::parse(""), Err(TemplateError::Empty));
        assert_eq!(Template::parse("gw {client}"), Err(TemplateError::Missing(SERVER)));
        assert_eq!(Template::question(" "), Err(TemplateError::Empty));
        assert!(Template::question("gw stats").is_ok());
        assert_eq!(Template::parse("gw {server}"), Err(TemplateError::Missing(CLIENT)));
    }

    #[test]
    fn only_a_path_is_looked_for_here() {
        let program = |text| Template::parse(text).unwrap().command(&addrs("")).get_program().to_owned();
        assert_eq!(program("gw {client} {server}"), "gw");
        assert!(Path::new(&program("./gw {client} {server}")).is_absolute());
    }
}
