//! The flags of a command line as argh knows them.

use argh::{ArgsInfo, FlagInfo};

/// What argh knows of one group of flags.
pub(super) struct Table {
    /// The heading.
    pub(super) description: &'static str,
    /// The flags in order.
    pub(super) flags: Vec<&'static FlagInfo<'static>>,
}

impl Table {
    /// That of a group.
    pub(super) fn of<G: ArgsInfo>() -> Self {
        let info = G::get_args_info();
        Self { description: info.description, flags: info.flags.iter().collect() }
    }
}
