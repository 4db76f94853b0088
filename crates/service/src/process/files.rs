//! The names of the files that a running gateway has in its working directory.

use std::fmt;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

/// What `--name` says: the beginning of the gateway's file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// The operator gave a `--name` that cannot begin a file name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--name {0:?} cannot begin a file name; accepted: {accepted}", accepted = Name::ACCEPTED)]
pub struct NameError(String);

impl Name {
    /// What makes a name, in words.
    pub const ACCEPTED: &str = "1 to 200 bytes of letters, digits, '-', '_' and '.', not beginning with '.'";
    const MAX_BYTES: usize = 200;

    /// Checks a name.
    ///
    /// # Errors
    /// When it is not as [`Name::ACCEPTED`] says.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_short = (1..=Self::MAX_BYTES).contains(&name.len());
        if is_short && !name.starts_with('.') && name.chars().all(fits) { Ok(Self(name)) } else { Err(NameError(name)) }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self("fastway".to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files `NAME.pid`, `NAME.cmd`, `NAME.cpu.prof`, … of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    dir: PathBuf,
    name: Name,
}

impl Files {
    /// The files of the gateway `name` in `dir`.
    pub fn new(dir: impl Into<PathBuf>, name: Name) -> Self {
        Self { dir: dir.into(), name }
    }

    /// The files of the gateway of process `pid`, beside those of another one with the same name: `NAME.PID.pid`, ….
    #[must_use]
    pub fn of_process(&self, pid: u32) -> Self {
        Self { dir: self.dir.clone(), name: Name(format!("{}.{pid}", self.name)) }
    }

    /// The files of the processes of which there is a `NAME.PID.suffix`, in order.
    pub fn of_processes(&self, suffix: &str) -> Vec<(u32, Self)> {
        let (prefix, suffix) = (format!("{}.", self.name), format!(".{suffix}"));
        let number = |entry: DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(&prefix)?.strip_suffix(&suffix)?.parse().ok()
        };
        let mut pids: Vec<u32> = fs::read_dir(&self.dir).into_iter().flatten().flatten().filter_map(number).collect();
        pids.sort_unstable();
        pids.into_iter().map(|pid| (pid, self.of_process(pid))).collect()
    }

    /// The path of `NAME.suffix`.
    pub fn path(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}.{suffix}", self.name))
    }

    /// The directory they are in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What `--name` says.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_gateways_name() {
        let files = Files::new("/run", Name::new("east-1").unwrap());
        assert_eq!(files.path("cpu.prof"), Path::new("/run/east-1.cpu.prof"));
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        for name in ["", ".", "..", ".hidden", "a/b", "../a", "a\0b", "a b", "a\nb"] {
            assert_eq!(Name::new(name), Err(NameError(name.to_owned())));
        }
    }
}
