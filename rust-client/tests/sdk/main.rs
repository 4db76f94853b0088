//! The tests of the SDK against a gateway that they play themselves; those against a real one are in the gateway's package.
//!
//! One program, so that it is linked once. A test is named by its file: `cargo test --test sdk dials::`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod allocations;
mod backpressure;
mod batches;
mod cancellation;
mod connections;
mod dials;
mod drains;
mod fairness;
mod link;
mod sessions;
mod support;
mod wakers;
