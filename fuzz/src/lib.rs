//! What must hold whatever a stranger sends. Each function takes raw bytes and panics when it does not hold.
//!
//! The fuzz targets call these with bytes that libFuzzer invents; `tests/fuzz_corpora.rs` of the crate that a module is
//! about includes that module and calls it with every file of `corpus/`, on stable and in each test run.

pub mod proxy;
pub mod session;
pub mod wire;
