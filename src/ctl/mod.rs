//! `fastway ctl`: asks a running gateway something and waits for the answer.
//!
//! The gateway is asked through its socket (`socket`), or where it has none through its command file and a signal
//! (`command_file`), as an operator can do by hand.

mod ask;
mod command_file;
mod drain;
mod error;
mod socket;

pub(crate) use self::ask::{Answered, run};
pub(crate) use self::drain::{begins_drain, follow_drain};
