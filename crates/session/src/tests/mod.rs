//! Tests of the whole state machine, through its public interface and a wire in memory.

mod histories;
pub(crate) mod ledger;
mod world;
