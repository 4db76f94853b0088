//! Files that commands write.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fastway_service::process::create_anew;

use super::CommandError;

/// A number of things: `1 link`, `2 links`.
pub(super) struct Counted(pub(super) usize, pub(super) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(out, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what} cannot be written: {source}")]
struct OutputError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

/// Writes a file whole or leaves what was there: a reader never sees half of it. `what` names it in an error.
pub(super) fn write_file(
    path: &Path,
    what: &'static str,
    content: impl FnOnce(&mut dyn Write) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let failed = |source| CommandError::failed(OutputError { path: path.to_owned(), what, source });
    let unfinished = unfinished(path);
    let written = create_anew(Path::new(&unfinished)).map_err(failed).and_then(|file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush().and_then(|()| fs::rename(&unfinished, path)).map_err(failed)
    });
    if written.is_err() {
        // What is left of it is of no use, and the error that counts is the first one.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// [`write_file`] for bytes that are there already.
pub(super) fn write_bytes(path: &Path, what: &'static str, bytes: &[u8]) -> Result<(), CommandError> {
    write_file(path, what, |out| Ok(out.write_all(bytes)?))
}

fn unfinished(path: &Path) -> OsString {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    unfinished
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there_and_nothing_else() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        write_bytes(&path, "the file", b"first").unwrap();
        let broken = write_file(&path, "the file", |out| {
            out.write_all(b"second")?;
            Err(CommandError::State("broken off"))
        });
        assert_eq!(broken.unwrap_err().to_string(), "broken off");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_is_taken_is_named() {
        let dir = tempdir().unwrap();
        let taken = dir.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        let error = write_bytes(&taken, "the profile", b"profile").unwrap_err().to_string();
        assert!(error.contains("taken: the profile cannot be written: "), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
