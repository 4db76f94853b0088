//! A JSON Schema of the file, for editors.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, SECTIONS};

/// The last draft to which 1.0 is no integer, as it is none in TOML. Editors know them all.
const DRAFT: &str = "http://json-schema.org/draft-04/schema#";
/// Digits and a unit, as `crate::cli` reads sizes.
const SIZE: &str = "^(0|[1-9][0-9]*)([Bb]|[KkMmGg][Bb]?)?$";
/// The same where 0 is none.
const SIZE_ABOVE_0: &str = "^[1-9][0-9]*([Bb]|[KkMmGg][Bb]?)?$";
/// Numbers with units, as Go writes spans of time.
const TIME: &str = "^[+]?(0|(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
/// A host or none, and a port.
const ADDRESS: &str = "^[^ ]*:[0-9]{1,5}$";
/// Names of hosts.
const HOST: &str = "^[0-9A-Za-z_][0-9A-Za-z_.-]*$";
/// An address, or a network with the length of its prefix. Which of them there are, the gateway knows.
const NETWORK: &str = "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$";
/// The beginning of a file's name: of ASCII letters, digits and three marks, not a dot first.
const NAME: &str = r"^[^\u0000-,./:-@\[-\^`{-\u007f][^\u0000-,/:-@\[-\^`{-\u007f]{0,199}$";
/// The longest span of time in seconds.
const MAX_SECONDS: u64 = 9_223_372_036;
/// The largest integer of TOML.
const LARGEST: u64 = i64::MAX.unsigned_abs();
/// A number that keys without a number as default take.
const LARGE: u64 = 1 << 30;

/// The schema as JSON.
pub(crate) fn schema() -> String {
    let keys = Key::all();
    let sections = SECTIONS.map(|section| {
        let of_section = keys.iter().filter(|key| key.section == section);
        let properties: Map<_, _> = of_section.map(|key| (key.name.to_owned(), of_key(key))).collect();
        (section.to_owned(), object(properties))
    });
    let mut schema = object(sections.into_iter().collect());
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!(DRAFT));
        schema.insert("title".to_owned(), json!("Configuration of fastway"));
    }
    format!("{schema:#}\n")
}

fn object(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn of_key(key: &Key) -> Value {
    let mut schema = if key.repeats() { value_or_array(key) } else { of_value(key) };
    if let Value::Object(schema) = &mut schema {
        let change = if key.is_fixed() { "restart" } else { "reload" };
        schema.insert("description".to_owned(), json!(key.description()));
        schema.insert("x-change".to_owned(), json!(change));
        if let Some(default) = key.default() {
            schema.insert("default".to_owned(), json_default(key, default));
        }
    }
    schema
}

fn value_or_array(key: &Key) -> Value {
    let one = of_value(key);
    let least = usize::from(key.kind == Kind::Address);
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": least }] })
}

fn of_value(key: &Key) -> Value {
    let words = key.words();
    let types = match key.kind {
        Kind::Switch => vec![json!({ "type": "boolean" })],
        Kind::Count => vec![integer(key)],
        Kind::Size => vec![integer(key), string(if key.accepts("0").is_ok() { SIZE } else { SIZE_ABOVE_0 })],
        Kind::Time => vec![json!({ "type": "number", "minimum": 0, "maximum": MAX_SECONDS }), string(TIME)],
        Kind::Address => vec![string(ADDRESS)],
        Kind::Path => vec![json!({ "type": "string", "minLength": 1 })],
        Kind::List | Kind::Names | Kind::Networks => return list(key),
        Kind::Secret => vec![json!({ "type": "string" })],
        Kind::Text if key.is_choice() => vec![],
        Kind::Text => vec![string(NAME)],
    };
    let words = (!words.is_empty()).then(|| json!({ "enum": words }));
    let mut types: Vec<_> = types.into_iter().chain(words).collect();
    if types.len() == 1 { types.remove(0) } else { json!({ "anyOf": types }) }
}

fn list(key: &Key) -> Value {
    let items = match key.kind {
        Kind::Names => string(HOST),
        Kind::Networks => string(NETWORK),
        _ if key.is_choice() => json!({ "enum": key.words() }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    let least = usize::from(key.accepts("").is_err());
    json!({ "type": "array", "items": items, "minItems": least })
}

fn string(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// An integer within the bounds that the parser of the flag has.
fn integer(key: &Key) -> Value {
    let takes = |number: u64| key.accepts(&number.to_string()).is_ok();
    let default = key.default().and_then(|default| default.parse().ok()).unwrap_or(LARGE);
    let good = if takes(default) { default } else { LARGE };
    let minimum = if takes(0) { 0 } else { edge(good, 0, takes) };
    let maximum = if takes(LARGEST) { LARGEST } else { edge(good, LARGEST, takes) };
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}

/// The last number that is taken on the way from a `good` one to a `bad` one.
fn edge(mut good: u64, mut bad: u64, takes: impl Fn(u64) -> bool) -> u64 {
    while good.abs_diff(bad) > 1 {
        let middle = good.midpoint(bad);
        if takes(middle) { good = middle } else { bad = middle }
    }
    good
}

fn json_default(key: &Key, default: &str) -> Value {
    match key.kind {
        Kind::Switch => json!(default == "true"),
        Kind::List | Kind::Names | Kind::Networks => default.split(',').filter(|word| !word.is_empty()).collect(),
        Kind::Count | Kind::Size => default.parse::<u64>().map_or_else(|_| json!(default), Value::from),
        _ => json!(default),
    }
}
