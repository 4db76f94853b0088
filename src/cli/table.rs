//! The flags of a command line as argh knows them.

use argh::{ArgsInfo, FlagInfo, FromArgs};

/// What argh knows of one group of flags.
pub(crate) struct Table {
    /// The section of the file that most of these flags have their keys in.
    pub(crate) section: &'static str,
    /// The heading.
    pub(crate) description: &'static str,
    /// The flags in order.
    pub(crate) flags: Vec<&'static FlagInfo<'static>>,
    /// Has argh read words with these flags; its complaint, if it has one.
    read: fn(&[&str]) -> Result<(), String>,
}

impl Table {
    /// That of a group.
    pub(super) fn of<G: ArgsInfo + FromArgs>(section: &'static str) -> Self {
        let info = G::get_args_info();
        let read = |words: &[&str]| G::from_args(&[], words).map(drop).map_err(|exit| exit.output);
        Self { section, description: info.description, flags: info.flags.iter().collect(), read }
    }

    /// Whether a flag takes a value, or what it takes.
    pub(crate) fn accepts(&self, long: &str, text: &str) -> Result<(), String> {
        let complaint = format!("Error parsing option '{long}' with value '{text}': ");
        (self.read)(&[long, text]).map_err(|output| output.trim_end().replacen(&complaint, "", 1))
    }
}
