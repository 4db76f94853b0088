//! The command file, which an operator writes before sending SIGUSR1.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use fastway_service::process::OtherWriter;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;

/// `NAME.cmd`: one command per line. Blank lines and lines that begin with `#` are skipped.
#[derive(Clone, Debug)]
pub struct CommandFile {
    path: PathBuf,
}

/// The content of a command file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The first line that begins with `#`, without that. The result file repeats it, so that its writer finds the
    /// answer.
    pub request: Option<String>,
    /// The commands, in order.
    pub commands: Vec<String>,
}

/// Why a command file is not run. No command of such a file is run.
#[derive(Debug, thiserror::Error)]
pub enum CommandFileError {
    /// The file is missing or unreadable.
    #[error("{path}: cannot read the command file: {source}")]
    Io {
        /// The command file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("{0}: the command file is not a regular file")]
    NotRegular(PathBuf),
    /// It is a symbolic link: its creator could make the gateway read other files.
    #[error("{0}: the command file is a symbolic link, which is not followed")]
    SymbolicLink(PathBuf),
    /// Other users could have written it.
    #[error(
        "{path}: the command file is not run, since {other}; it must belong to the gateway's user ({user}) or to root, and nobody else may write to it"
    )]
    Untrusted {
        /// The command file.
        path: PathBuf,
        /// How others could have written it.
        other: OtherWriter,
        /// The gateway's user.
        user: u32,
    },
    /// It is larger than any list of commands.
    #[error("{path}: the command file is larger than {max} bytes", max = CommandFile::MAX_BYTES)]
    TooLarge {
        /// The command file.
        path: PathBuf,
    },
    /// It is not text.
    #[error("{path}: the command file is not text: at byte {offset} {what}")]
    NotText {
        /// The command file.
        path: PathBuf,
        /// Position of the first fault, from 0, in bytes.
        offset: usize,
        /// The fault.
        what: String,
    },
    /// It contains no command.
    #[error("{0}: the command file holds no command; write one a line, for example `help`")]
    Empty(PathBuf),
}

impl CommandFile {
    /// Largest file that is read, in bytes: more than any list of commands needs, and little memory.
    pub const MAX_BYTES: u64 = 64 << 10;

    /// The command file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the commands in their order. Never blocks on a pipe, and never reads more than
    /// [`MAX_BYTES`](Self::MAX_BYTES) and one byte.
    ///
    /// # Errors
    /// It is missing, unreadable, not a regular file, too large, not text, or without a command.
    pub fn read(&self) -> Result<Script, CommandFileError> {
        let bytes = self.read_bytes(self.open()?)?;
        let text = str::from_utf8(&bytes).map_err(|error| self.not_text(error.valid_up_to(), "is no UTF-8"))?;
        self.refuse_control_bytes(text)?;

        let script = Script::parse(text);
        if script.commands.is_empty() {
            return Err(CommandFileError::Empty(self.path.clone()));
        }
        Ok(script)
    }

    fn open(&self) -> Result<File, CommandFileError> {
        // Without NONBLOCK, opening a pipe waits for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = rustix::fs::open(&self.path, flags, Mode::empty());
        let file = File::from(opened.map_err(|errno| match errno {
            Errno::LOOP => CommandFileError::SymbolicLink(self.path.clone()),
            errno => self.unreadable(errno.into()),
        })?);

        let metadata = file.metadata().map_err(|source| self.unreadable(source))?;

        match OtherWriter::of(&metadata) {
            _ if !metadata.is_file() => Err(CommandFileError::NotRegular(self.path.clone())),
            Some(other) => {
                Err(CommandFileError::Untrusted { path: self.path.clone(), other, user: geteuid().as_raw() })
            }
            None => Ok(file),
        }
    }

    fn read_bytes(&self, file: File) -> Result<Vec<u8>, CommandFileError> {
        let mut bytes = Vec::new();
        let read = file.take(Self::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|source| self.unreadable(source))?;
        if read as u64 > Self::MAX_BYTES {
            return Err(CommandFileError::TooLarge { path: self.path.clone() });
        }
        Ok(bytes)
    }

    fn refuse_control_bytes(&self, text: &str) -> Result<(), CommandFileError> {
        let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        match text.char_indices().find(|&(_, c)| !allowed(c)) {
            Some((offset, c)) => {
                Err(self.not_text(offset, &format!("is the control character U+{:04X}", u32::from(c))))
            }
            None => Ok(()),
        }
    }

    fn unreadable(&self, source: io::Error) -> CommandFileError {
        CommandFileError::Io { path: self.path.clone(), source }
    }

    fn not_text(&self, offset: usize, what: &str) -> CommandFileError {
        CommandFileError::NotText { path: self.path.clone(), offset, what: what.to_owned() }
    }
}

impl Script {
    fn parse(text: &str) -> Self {
        let mut script = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix('#') {
                Some(comment) => drop(script.request.get_or_insert_with(|| comment.trim().to_owned())),
                None => script.commands.push(line.to_owned()),
            }
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, mknodat};
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn file(content: impl AsRef<[u8]>) -> (TempDir, CommandFile) {
        let dir = tempdir().unwrap();
        let path = dir.path().join("fastway.cmd");
        fs::write(&path, content).unwrap();
        (dir, CommandFile::new(path))
    }

    fn error(content: impl AsRef<[u8]>) -> String {
        let (_dir, file) = file(content);
        file.read().unwrap_err().to_string()
    }

    #[test]
    fn commands_come_in_order_without_blank_lines_and_margins() {
        let (_dir, file) = file("\n  help\r\n\n\tlookup gc 1  \nlast line without an end");
        assert_eq!(file.read().unwrap().commands, ["help", "lookup gc 1", "last line without an end"]);
    }

    #[test]
    fn comments_are_passed_over_and_the_first_one_says_who_asks() {
        let (_dir, file) = file("#  ctl 12 \nhelp\n # kick 3\nstats # is no comment\n");
        let script = file.read().unwrap();
        assert_eq!((script.request.as_deref(), script.commands.len()), (Some("ctl 12"), 2));
        assert_eq!(script.commands[1], "stats # is no comment");
    }

    #[test]
    fn a_file_without_commands_is_an_error() {
        for content in ["", "\n", " \n\t\r\n", "# help\n"] {
            assert!(error(content).contains("holds no command"));
        }
    }

    #[test]
    fn the_largest_file_is_read_and_one_byte_more_is_refused() {
        let largest = "help\n\n\n\n".repeat(8192);
        let (_dir, file) = file(&largest);
        assert_eq!(file.read().unwrap().commands.len(), 8192);
        assert!(error(largest + "\n").contains("larger than 65536 bytes"));
    }

    #[test]
    fn what_is_not_text_is_named_with_its_place() {
        assert!(error(b"help\n\xff\xfe").ends_with("at byte 5 is no UTF-8"));
        assert!(error(b"help\0").ends_with("at byte 4 is the control character U+0000"));
        assert!(error("\u{1b}[2J").ends_with("at byte 0 is the control character U+001B"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = tempdir().unwrap();
        let error = CommandFile::new(dir.path().join("fastway.cmd")).read().unwrap_err().to_string();
        assert!(error.contains("fastway.cmd: cannot read the command file: No such file"), "{error}");
    }

    #[test]
    fn only_a_regular_file_is_read_and_a_pipe_holds_nobody_up() {
        let dir = tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [pipe, dir.path().to_owned(), PathBuf::from("/dev/null")] {
            let error = CommandFile::new(path).read().unwrap_err();
            assert!(matches!(error, CommandFileError::NotRegular(_)), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_could_have_written_is_not_run() {
        let (dir, file) = file("help");
        let path = dir.path().join("fastway.cmd");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains("everybody may write to it"), "{error}");
        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(file.read().unwrap_err(), CommandFileError::SymbolicLink(_)));
    }

    #[test]
    fn a_socket_cannot_be_read() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(CommandFile::new(path).read().unwrap_err(), CommandFileError::Io { .. }));
    }
}
