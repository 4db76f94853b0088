//! Files in a directory that others may write to: who could have put them there, and no way through a symbolic link.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::{getegid, geteuid};
use tracing::warn;

/// Somebody, besides root and the user of this process, who may write to a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherWriter {
    /// Its owner, the user of this number.
    Owner(u32),
    /// The group of this number.
    Group(u32),
    /// Everybody.
    Everybody,
}

impl OtherWriter {
    /// Who else may write to a file or a directory, if anybody.
    pub fn of(file: &Metadata) -> Option<Self> {
        const GROUP_WRITES: u32 = 0o020;
        const OTHERS_WRITE: u32 = 0o002;
        let user = geteuid().as_raw();
        if file.uid() != 0 && file.uid() != user {
            Some(Self::Owner(file.uid()))
        } else if file.mode() & OTHERS_WRITE != 0 {
            Some(Self::Everybody)
        } else if file.mode() & GROUP_WRITES != 0 && file.gid() != getegid().as_raw() {
            Some(Self::Group(file.gid()))
        } else {
            None
        }
    }
}

impl fmt::Display for OtherWriter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(out, "it belongs to user {user}"),
            Self::Group(group) => write!(out, "group {group} may write to it"),
            Self::Everybody => out.write_str("everybody may write to it"),
        }
    }
}

/// Makes a new file. What stands at the path, for instance a symbolic link that somebody planted, is removed and not
/// followed.
///
/// # Errors
/// The file cannot be made, or what stands there cannot be removed.
pub fn create_anew(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        outcome => outcome,
    }
}

/// Reads a file of text that somebody else may have put there.
///
/// # Errors
/// It is a symbolic link, or cannot be read.
pub fn read_text(path: &Path) -> io::Result<(Metadata, String)> {
    let mut file = without_links().read(true).open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((file.metadata()?, text))
}

/// Options that open no symbolic link, and wait for nobody at a pipe.
pub(super) fn without_links() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// Warns when others may write to the gateway's directory: they could replace its files.
pub fn check_directory(dir: &Path) {
    let other = fs::metadata(dir).ok().as_ref().and_then(OtherWriter::of);
    if let Some(other) = other {
        warn!(
            target: "fastway::process::trust",
            dir = %dir.display(),
            "the working directory is not the gateway's alone: {other}, and whoever may write there can replace the gateway's files"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_planted_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, path) = (dir.path().join("victim"), dir.path().join("file"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        create_anew(&path).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(path.symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn whoever_else_may_write_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        for (mode, other) in [(0o600, None), (0o664, None), (0o646, Some(OtherWriter::Everybody))] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(OtherWriter::of(&fs::metadata(&path).unwrap()), other, "{mode:o}");
        }
    }
}
