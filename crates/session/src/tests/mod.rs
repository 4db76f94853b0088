//! Tests of the whole state machine.

pub(crate) mod ledger;
