//! Tests of the whole state machine, through its public interface and a wire in memory.

mod attacks;
mod beside;
mod fixed;
mod histories;
pub(crate) mod ledger;
mod noise;
mod overload;
mod vectors;
mod world;
