//! The program under test, and gateways with faults to run it against.
#![allow(dead_code, reason = "each suite uses a part of it")]

mod gateway;
mod program;

pub use gateway::{Misdeed, TestGateway};
pub use program::{Exit, Program, YARDSTICK, bench, bench_with, yardstick};
