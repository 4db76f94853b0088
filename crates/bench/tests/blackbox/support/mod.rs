//! The program under test, and gateways with faults to run it against.

mod front;
mod gateway;
mod program;

pub(crate) use front::SecureFront;
pub(crate) use gateway::{Misdeed, TestGateway};
pub(crate) use program::{Exit, Program, bench, bench_with, yardstick};
