//! `fastway-bench` as a program, against gateways with and without faults.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod faults;
mod interface;
mod support;
