//! The golden vectors in `tests/vectors/*.json`, which the suites of every language read.
//!
//! They are made here: a test fails when the files differ from what these modules say. `UPDATE_VECTORS=1` writes
//! them instead. The format is described in `tests/vectors/README.md`.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod commands;
mod frames;
mod handshake;

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[test]
fn the_files_are_what_the_generator_makes() {
    agree("frames.json", frames::vectors());
    agree("commands.json", commands::vectors());
    agree("handshake.json", handshake::vectors());
}

#[test]
fn frames_are_read_as_the_file_says() {
    read("frames.json").iter().for_each(frames::check);
}

#[test]
fn commands_are_read_as_the_file_says() {
    read("commands.json").iter().for_each(commands::check);
}

#[test]
fn handshakes_are_judged_as_the_file_says() {
    read("handshake.json").iter().for_each(handshake::check);
}

#[derive(Serialize, Deserialize)]
struct VectorFile<V> {
    vectors: Vec<V>,
}

fn agree<V: Serialize>(file: &str, vectors: Vec<V>) {
    let made = serde_json::to_string_pretty(&VectorFile { vectors }).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path(file), &made).unwrap();
    }
    let found = std::fs::read_to_string(path(file)).unwrap_or_default();
    assert!(found == made, "{file} has drifted: check why, then run this test with UPDATE_VECTORS=1");
}

fn read<V: DeserializeOwned>(file: &str) -> Vec<V> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let vectors = serde_json::from_str::<VectorFile<V>>(&text).unwrap().vectors;
    assert!(!vectors.is_empty(), "{file} holds no vectors");
    vectors
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file)
}

/// Bytes, as lower-case hexadecimal digits in the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Hex(Vec<u8>);

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return Err(format!("odd digits: {digits}")) };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        pairs.iter().map(byte).collect::<Option<_>>().map(Hex).ok_or(format!("not hexadecimal: {digits}"))
    }
}
