//! Values as they stand in a file, each with where it comes from: what `fastway check` prints.

use std::ffi::OsString;

use fastway_service::process::PidFilePlace;

use super::keys::{Key, Kind, SECTIONS};
use crate::cli::{ADMIN_TOKEN, CommandLine, Options, ParsedFlag, SERVER_KEY, Value, show_size};

/// Where the origins stand.
const COLUMN: usize = 44;

/// The variable that counts for the log's level where nothing else is said.
const LEVEL_VARIABLE: &str = "RUST_LOG";

/// A value and its origin.
struct Shown {
    /// `key = value`, or a remark on a value that is not shown.
    text: String,
    origin: String,
}

/// Every value that holds, as a file that means the same, secrets left out.
pub(super) fn values(options: &Options, line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> String {
    let keys = Key::all();
    let mut out = String::new();
    for section in SECTIONS {
        let blank = if out.is_empty() { "" } else { "\n" };
        out.push_str(&format!("{blank}[{section}]\n"));
        for key in keys.iter().filter(|key| key.section == section) {
            let Shown { text, origin } = shown(key, options, line, env);
            out.push_str(&format!("{text:COLUMN$} # {origin}\n"));
        }
    }
    out
}

fn shown(key: &Key, options: &Options, line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> Shown {
    let given = line.given(key.flag.long);
    let origin = given.map_or_else(|| "default".to_owned(), origin);
    let in_environment = in_environment(key, line, env).filter(|_| given.is_none());
    if let Some(remark) = in_environment {
        return Shown { text: format!("# {}: {remark}", key.name), origin: "environment".to_owned() };
    }
    if key.kind == Kind::Secret {
        let is_set = given.is_some_and(|flag| flag.texts().iter().any(|text| !text.given.is_empty()));
        let remark = if is_set { "hidden" } else { "none" };
        return Shown { text: format!("# {}: {remark}", key.name), origin };
    }
    let text = match value(key, options, line) {
        Some(literal) => format!("{} = {literal}", key.name),
        None => format!("# {}: none", key.name),
    };
    Shown { text, origin }
}

/// The value that a key has, as TOML; `None`: it has none. Secrets are values, too.
pub(super) fn value(key: &Key, options: &Options, line: &CommandLine) -> Option<String> {
    if key.flag.long == "--server-addr" {
        return Some(one_or_array(key, &options.config.listen.server));
    }
    match (effective(key, options), line.given(key.flag.long)) {
        (Some(text), _) => Some(literal(key, &text)),
        (None, Some(given)) => Some(literal_of(key, given.value())),
        (None, None) => key.default().map(|default| literal(key, default)),
    }
}

fn origin(flag: &ParsedFlag) -> String {
    flag.place().map_or_else(|| "flag".to_owned(), |place| place.file_and_line())
}

/// What the environment gives for a key, as far as it is shown.
fn in_environment(key: &Key, line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> Option<String> {
    let secret = [SERVER_KEY, ADMIN_TOKEN].into_iter().find(|source| source.flag() == key.flag.long);
    if let Some(source) = secret {
        return source.is_from_environment(line, env).then(|| "hidden".to_owned());
    }
    let level = env(LEVEL_VARIABLE).filter(|_| key.flag.long == "--log-level")?;
    Some(format!("{LEVEL_VARIABLE} is {}", quote(&level.to_string_lossy())))
}

/// Values that follow others.
fn effective(key: &Key, options: &Options) -> Option<String> {
    let config = &options.config;
    match key.flag.long {
        "--client-send-bytes" => Some(show_size(config.settings.client.send_queue_bytes)),
        "--server-send-bytes" => Some(show_size(config.settings.server.send_queue_bytes)),
        "--mem-pool-page-size" => Some(show_size(config.startup.pool.page_bytes)),
        "--admin-addr" => options.admin.addr.clone(),
        "--pid-file" if options.pid_file == PidFilePlace::Named => Some(format!("{}.pid", options.name)),
        _ => None,
    }
}

fn literal_of(key: &Key, value: &Value) -> String {
    match value {
        Value::Switch(on) => on.to_string(),
        Value::Texts(texts) => one_or_array(key, &texts.iter().map(|text| text.meant.as_str()).collect::<Vec<_>>()),
    }
}

/// The values of a key that takes one or several.
fn one_or_array(key: &Key, texts: &[impl AsRef<str>]) -> String {
    match texts {
        [text] => literal(key, text.as_ref()),
        _ => array(texts.iter().map(AsRef::as_ref)),
    }
}

/// A flag's value as TOML.
pub(super) fn literal(key: &Key, text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match key.kind {
        Kind::Switch => text.to_owned(),
        Kind::Count | Kind::Size if is_number => text.to_owned(),
        Kind::List | Kind::Names | Kind::Networks => array(text.split(',').filter(|word| !word.is_empty())),
        _ => quote(text),
    }
}

fn array<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", words.map(quote).collect::<Vec<_>>().join(", "))
}

/// A basic string.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
