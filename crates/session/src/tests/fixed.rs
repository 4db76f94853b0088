//! Numbers that are drawn as a test says, and files of vectors.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;

use rand_core::{TryCryptoRng, TryRng};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Draws these bytes, in this order, and no more.
pub(super) struct Fixed(VecDeque<u8>);

impl Fixed {
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into())
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            *byte = self.0.pop_front().expect("more is drawn than the test knows of");
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

#[derive(Serialize, Deserialize)]
struct VectorFile<V> {
    vectors: Vec<V>,
}

/// The file is what is made here; `UPDATE_VECTORS=1` writes it instead.
pub(super) fn agree<V: Serialize>(file: &str, vectors: Vec<V>) {
    let made = serde_json::to_string_pretty(&VectorFile { vectors }).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path(file), &made).unwrap();
    }
    let found = std::fs::read_to_string(path(file)).unwrap_or_default();
    assert!(found == made, "{file} has drifted: check why, then run this test with UPDATE_VECTORS=1");
}

pub(super) fn read<V: DeserializeOwned>(file: &str) -> Vec<V> {
    let text = std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let vectors = serde_json::from_str::<VectorFile<V>>(&text).unwrap().vectors;
    assert!(!vectors.is_empty(), "{file} holds no vectors");
    vectors
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file)
}

/// Bytes, as lower-case hexadecimal digits in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Hex(pub(super) Vec<u8>);

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
