//! `fastway completion SHELL`: completion files, made from the tables of flags and commands.

use std::ffi::OsString;

use argh::{FlagInfo, FlagInfoKind};

use super::commands::{COMMANDS, Command, Operands, SHELLS};
use super::error::UsageError;
use super::invocation::Invocation;
use super::table::Table;

/// The word that leads here.
pub(super) const WORD: &str = "completion";

/// The values of flags that take one of a few.
const CHOICES: [(&str, &[&str]); 6] = [
    ("--mem-pool-type", &["sync", "atom", "chan"]),
    ("--client-link", &["plain", "secure", "secure-nk", "legacy"]),
    ("--server-link", &["plain", "secure", "secure-nk", "legacy"]),
    ("--log-level", &["error", "warn", "info", "debug", "trace"]),
    ("--log-format", &["text", "json"]),
    ("--max-links", &["auto"]),
];

/// Reads the words behind `completion`.
pub(super) fn parse(mut words: impl Iterator<Item = OsString>, tables: &[Table]) -> Result<Invocation, UsageError> {
    let shell = words.next().filter(|_| words.next().is_none());
    let shell = shell.and_then(|shell| SHELLS.into_iter().find(|known| shell == **known));
    match shell {
        Some("bash") => Ok(Invocation::Print(bash(tables))),
        Some("zsh") => Ok(Invocation::Print(zsh(tables))),
        Some(_) => Ok(Invocation::Print(fish(tables))),
        None => Err(UsageError::NoShell),
    }
}

/// What the value of a flag can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// It has none.
    None,
    Free,
    File,
    Directory,
    OneOf(&'static [&'static str]),
}

impl Value {
    fn of(flag: &FlagInfo<'_>) -> Self {
        let FlagInfoKind::Option { arg_name } = flag.kind else { return Self::None };
        let choices = CHOICES.iter().find(|(long, _)| *long == flag.long).map(|(_, choices)| *choices);
        match (choices, arg_name) {
            (Some(choices), _) => Self::OneOf(choices),
            (None, "FILE") => Self::File,
            (None, "DIR") => Self::Directory,
            (None, _) => Self::Free,
        }
    }
}

fn flags(tables: &[Table]) -> impl Iterator<Item = &'static FlagInfo<'static>> {
    tables.iter().flat_map(|table| table.flags.iter().copied())
}

fn of_command(command: &Command) -> Vec<Table> {
    command.flags.map(|table| table()).into_iter().collect()
}

fn head(shell: &str) -> String {
    format!("# Completes the command line of fastway in {shell}. Made by `fastway completion {shell}`; do not edit.\n")
}

fn words(words: &[&str]) -> String {
    words.join(" ")
}

fn bash(tables: &[Table]) -> String {
    let of_commands: Vec<Table> = COMMANDS.iter().flat_map(of_command).collect();
    let mut text = head("bash");
    text.push_str(
        "\
_fastway() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    # Where = breaks words, it is one of them.
    if [[ $word == = ]]; then
        word=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
",
    );
    text.push_str(&bash_values(flags(tables).chain(flags(&of_commands))));
    text.push_str("    esac\n    case $((COMP_CWORD > 1)):${COMP_WORDS[1]} in\n");
    for command in &COMMANDS {
        let mut known: Vec<&str> = flags(&of_command(command)).map(|flag| flag.long).collect();
        let file = match command.operands {
            Operands::File => {
                known.push("--public");
                "mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n        "
            }
            Operands::OneOf(choices) => {
                known.extend(choices);
                ""
            }
            Operands::Free => "",
        };
        text.push_str(&format!("    1:{})\n        {file}words='{}'\n        ;;\n", command.word, words(&known)));
    }
    let known: Vec<&str> = flags(tables).map(|flag| flag.long).collect();
    let first: Vec<&str> = COMMANDS.iter().map(|command| command.word).collect();
    text.push_str(&format!("    0:*) words='{} {}' ;;\n", words(&first), words(&known)));
    text.push_str(&format!("    *) words='{}' ;;\n", words(&known)));
    text.push_str(
        "    esac
    local found
    mapfile -t found < <(compgen -W \"$words\" -- \"$word\")
    COMPREPLY+=(\"${found[@]}\")
}
complete -o filenames -F _fastway fastway
",
    );
    text
}

/// What bash offers behind a flag, for each flag once.
fn bash_values(flags: impl Iterator<Item = &'static FlagInfo<'static>>) -> String {
    let mut text = String::new();
    let mut seen: Vec<&str> = Vec::new();
    for flag in flags {
        if seen.contains(&flag.long) {
            continue;
        }
        seen.push(flag.long);
        let line = match Value::of(flag) {
            Value::None => continue,
            Value::Free => "return".to_owned(),
            Value::File => "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return".to_owned(),
            Value::Directory => "mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return".to_owned(),
            Value::OneOf(choices) => {
                format!("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\"); return", words(choices))
            }
        };
        text.push_str(&format!("    {}) {line} ;;\n", flag.long));
    }
    text
}

fn zsh(tables: &[Table]) -> String {
    let mut text = format!("#compdef fastway\n{}", head("zsh"));
    text.push_str("_fastway() {\n    if ((CURRENT > 2)); then\n        case $words[2] in\n");
    for command in &COMMANDS {
        text.push_str(&format!("        {})\n            shift words\n            ((CURRENT--))\n", command.word));
        let mut specs: Vec<String> = flags(&of_command(command)).map(zsh_spec).collect();
        match command.operands {
            Operands::Free if command.flags.is_some() => specs.push("'*:command: '".to_owned()),
            Operands::Free => {}
            Operands::File => {
                specs.push("'--public[show the public key of a file that exists]'".to_owned());
                specs.push("'1:file:_files'".to_owned());
            }
            Operands::OneOf(choices) => specs.push(format!("'1:word:({})'", words(choices))),
        }
        if !specs.is_empty() {
            text.push_str(&zsh_arguments("            ", &specs));
        }
        text.push_str("            return\n            ;;\n");
    }
    text.push_str("        esac\n    fi\n");
    let summaries = COMMANDS.iter().map(|command| format!("{}\\:\"{}\"", command.word, command.summary));
    let first = format!("'1::command:(({}))'", summaries.collect::<Vec<_>>().join(" "));
    let specs: Vec<String> = std::iter::once(first).chain(flags(tables).map(zsh_spec)).collect();
    text.push_str(&zsh_arguments("    ", &specs));
    text.push_str("}\n\n_fastway \"$@\"\n");
    text
}

fn zsh_arguments(indent: &str, specs: &[String]) -> String {
    let specs: Vec<String> = specs.iter().map(|spec| format!("\\\n{indent}    {spec}")).collect();
    format!("{indent}_arguments {}\n", specs.join(" "))
}

/// A flag as `_arguments` takes it.
fn zsh_spec(flag: &'static FlagInfo<'static>) -> String {
    let description = flag.description.replace('[', "(").replace(']', ")").replace('\'', "'\\''");
    let FlagInfoKind::Option { arg_name } = flag.kind else { return format!("'{}[{description}]'", flag.long) };
    let action = match Value::of(flag) {
        Value::None | Value::Free => " ".to_owned(),
        Value::File => "_files".to_owned(),
        Value::Directory => "_directories".to_owned(),
        Value::OneOf(choices) => format!("({})", words(choices)),
    };
    format!("'{}=[{description}]:{arg_name}:{action}'", flag.long)
}

fn fish(tables: &[Table]) -> String {
    let all: Vec<&str> = COMMANDS.iter().map(|command| command.word).collect();
    let mut text = head("fish");
    text.push_str("complete -c fastway -f\n");
    for command in &COMMANDS {
        let (word, summary) = (command.word, command.summary);
        text.push_str(&format!("complete -c fastway -n __fish_use_subcommand -a {word} -d '{summary}'\n"));
    }
    let outside = format!("not __fish_seen_subcommand_from {}", words(&all));
    flags(tables).for_each(|flag| text.push_str(&fish_line(&outside, flag)));
    for command in &COMMANDS {
        let within = format!("__fish_seen_subcommand_from {}", command.word);
        flags(&of_command(command)).for_each(|flag| text.push_str(&fish_line(&within, flag)));
        match command.operands {
            Operands::Free => {}
            Operands::File => {
                let show = "show the public key of a file that exists";
                text.push_str(&format!("complete -c fastway -n '{within}' -F -l public -d '{show}'\n"));
            }
            Operands::OneOf(choices) => {
                text.push_str(&format!("complete -c fastway -n '{within}' -a '{}'\n", words(choices)));
            }
        }
    }
    text
}

fn fish_line(condition: &str, flag: &'static FlagInfo<'static>) -> String {
    let value = match Value::of(flag) {
        Value::None => String::new(),
        Value::Free => " -x".to_owned(),
        Value::File => " -r -F".to_owned(),
        Value::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
        Value::OneOf(choices) => format!(" -x -a '{}'", words(choices)),
    };
    let description = flag.description.replace('\\', "\\\\").replace('\'', "\\'");
    let long = flag.long.trim_start_matches('-');
    format!("complete -c fastway -n '{condition}' -l {long}{value} -d '{description}'\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::Flags;

    #[test]
    fn every_choice_is_one_that_its_flag_takes() {
        let tables = Flags::tables();
        for (long, choices) in CHOICES {
            assert!(flags(&tables).any(|flag| flag.long == long), "{long}");
            for choice in choices {
                let Ok(Invocation::Run(line)) = crate::cli::parse([long, choice].map(OsString::from).into_iter())
                else {
                    panic!("{long} {choice} is refused");
                };
                crate::cli::check_values(&line).unwrap_or_else(|faults| panic!("{long} {choice}: {faults:?}"));
            }
        }
    }
}
