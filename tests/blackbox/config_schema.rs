//! The JSON Schema of the configuration file against the gateway's own opinion, and the table of keys in the docs.

use std::fs;
use std::path::Path;
use std::process::Command;

use fastway_testkit::process::{Process, gateway_binary};
use regex::Regex;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use crate::readme::markdown::{read, root};

const SCHEMA: &str = "packaging/schema/fastway.schema.json";
const PAGE: &str = "docs/configuration.md";

/// What stands in a broken file whose fault no schema can see, and why.
const BEYOND: &str = "# beyond the schema: ";

fn printed() -> String {
    let output = Command::new(gateway_binary()).arg("schema").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read(SCHEMA)).unwrap()
}

#[test]
fn the_shipped_schema_is_the_one_that_the_program_prints() {
    assert!(read(SCHEMA) == printed(), "fastway schema > {SCHEMA}");
}

/// Whether a value is as a schema says. Every keyword that the schema uses is known, or this fails.
fn is_valid(value: &Value, schema: &Map<String, Value>) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    schema.iter().all(|(keyword, says)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "x-change" => true,
        "type" => match says.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("unknown type {other}"),
        },
        "anyOf" => says.as_array().unwrap().iter().any(|schema| is_valid(value, schema.as_object().unwrap())),
        "enum" => says.as_array().unwrap().contains(value),
        "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
        "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= says.as_u64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| Regex::new(says.as_str().unwrap()).unwrap().is_match(text)),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= says.as_u64().unwrap()),
        "items" => {
            value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(item, says.as_object().unwrap())))
        }
        "properties" => value.as_object().is_none_or(|object| {
            object
                .iter()
                .all(|(key, value)| says.get(key).is_none_or(|schema| is_valid(value, schema.as_object().unwrap())))
        }),
        "additionalProperties" => {
            assert_eq!(says, &Value::Bool(false));
            value.as_object().is_none_or(|object| object.keys().all(|key| properties.unwrap().contains_key(key)))
        }
        other => panic!("unknown keyword {other}"),
    })
}

/// A TOML file as editors hand it to a schema; `None`: it is none.
fn as_json(text: &str) -> Option<Value> {
    Some(table(DeTable::parse(text).ok()?.get_ref()))
}

fn table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect::<Map<_, _>>().into()
}

fn value(item: &DeValue<'_>) -> Value {
    match item {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).unwrap();
            // One beyond 64 bits is a fraction to whoever reads JSON.
            i64::try_from(number).map_or_else(|_| json!(number as f64), Value::from)
        }
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(on) => json!(on),
        // Editors show schemas a date as an object or a string of another form: no key takes it.
        DeValue::Datetime(_) => json!({ "datetime": true }),
        DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
        DeValue::Table(items) => table(items),
    }
}

fn is_valid_file(text: &str) -> bool {
    as_json(text).is_some_and(|file| is_valid(&file, schema().as_object().unwrap()))
}

fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn the_schema_refuses_the_broken_files_that_it_can_see_through() {
    let mut seen = 0;
    for (name, text) in files("tests/config/broken") {
        let is_beyond = text.contains(BEYOND);
        let is_valid = is_valid_file(&text);
        // What is no TOML never comes to the schema.
        let is_toml = as_json(&text).is_some();
        assert_eq!(is_valid, is_beyond && is_toml, "{name}");
        seen += usize::from(is_toml && !is_beyond);
    }
    assert!(seen >= 40, "{seen} files");
}

#[test]
fn the_schema_takes_the_files_that_the_gateway_takes() {
    let folder = root().join("tests/config/good");
    let good = files("tests/config/good");
    assert!(good.len() >= 5);
    for (name, text) in good {
        let exit = Process::run_in(&folder, &["check", "--config", &name]);
        assert_eq!(exit.code, Some(0), "{name}: {}", exit.stderr);
        assert!(is_valid_file(&text), "{name}");
    }
}

/// Values of all sorts, each for every key in one file.
#[test]
fn gateway_and_schema_agree_on_each_value_of_each_key() {
    const VALUES: [&str; 24] = [
        "0",
        "1",
        "2",
        "3",
        "63",
        "64",
        "256",
        "257",
        "1048577",
        "4294967295",
        "4294967296",
        "-1",
        "1.5",
        "true",
        "''",
        "'auto'",
        "'off'",
        "'1K'",
        "'30s'",
        "'0'",
        "':1'",
        "'plain'",
        "[]",
        "['plain', 'x']",
    ];
    let dir = tempfile::tempdir().unwrap();
    let wrong: Vec<_> = VALUES.iter().flat_map(|value| disagreements(dir.path(), value)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The keys of which one side takes a value and the other does not.
fn disagreements(dir: &Path, value: &str) -> Vec<String> {
    // What is in files of secrets, and how long a secret is, no schema can see.
    let is_seen = |key: &str| !["file", "auth-key", "token", "session-key"].iter().any(|part| key.contains(part));
    let schema = schema();
    let keys = schema["properties"].as_object().unwrap().iter().flat_map(|(section, of_section)| {
        let keys =
            of_section["properties"].as_object().unwrap().keys().filter(|key| is_seen(key) || *key == "pid-file");
        keys.map(move |key| format!("{section}.{key} = {value}\n"))
    });
    let lines: Vec<String> = keys.collect();
    let complaints = complaints(dir, &lines.concat());

    let is_refused =
        |line: usize| complaints.iter().any(|complaint| complaint.starts_with(&format!("all.toml:{line}:")));
    let numbered = lines.iter().enumerate().map(|(index, line)| (index + 1, line));
    let wrong = numbered.filter(|(number, line)| is_refused(*number) == is_valid_file(line));
    wrong.map(|(number, line)| format!("{line}the gateway refuses it: {}", is_refused(number))).collect()
}

/// What the gateway says of a file, but for what other keys say.
fn complaints(dir: &Path, text: &str) -> Vec<String> {
    const OF_OTHERS: [&str; 4] =
        ["expected at least", "expected at most", "and there is no", "cannot have plain beside"];
    fs::write(dir.join("all.toml"), text).unwrap();
    let stderr = Process::run_in(dir, &["check", "--config", "all.toml"]).stderr;
    let is_of_value = |line: &&str| !OF_OTHERS.iter().any(|part| line.contains(part));
    stderr.lines().filter(is_of_value).map(str::to_owned).collect()
}

/// The rows of the table of keys.
fn rows() -> String {
    let schema = schema();
    let mut rows = String::new();
    for section in ["gateway", "admin", "log", "process", "limits"] {
        for (key, says) in schema["properties"][section]["properties"].as_object().unwrap() {
            let default = says.get("default").map_or_else(
                || "none".to_owned(),
                |default| format!("`{}`", default.to_string().replace("\",\"", "\", \"")),
            );
            let change = says["x-change"].as_str().unwrap();
            rows.push_str(&format!("| `{section}` | `{key}` | {} | {default} | {change} |\n", kind(says)));
        }
    }
    rows
}

/// What a key holds, in words.
fn kind(says: &Value) -> &'static str {
    let text = says.to_string();
    let holds = |part: &str| text.contains(part);
    match () {
        () if holds("\"boolean\"") => "switch",
        () if says["type"] == "array" => "array",
        () if holds("[KkMmGg]") => "size",
        () if holds("(ns|us") => "time",
        () if holds("\"integer\"") => "count",
        () if holds("\"items\"") && holds("{1,5}$") => "address or array",
        () if holds("\"items\"") => "path or array",
        () if holds("\"minLength\"") => "path",
        () if holds("{1,5}$") => "address",
        () => "string",
    }
}

#[test]
fn the_page_on_the_file_has_each_key_with_type_default_and_change() {
    let page = read(PAGE);
    let missing: Vec<_> = rows().lines().filter(|row| !page.contains(row)).map(str::to_owned).collect();
    assert!(missing.is_empty(), "{PAGE} lacks\n{}", missing.join("\n"));
    let in_page = page.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 6).count();
    assert_eq!(in_page, rows().lines().count(), "{PAGE} has other rows");
}
