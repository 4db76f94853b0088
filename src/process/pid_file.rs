//! The pid file: the proof that one gateway, and only one, works in a directory under a name.
//!
//! The lock is the proof, the text is for people. The kernel lets go of the lock whenever the process ends, so a file
//! that a killed gateway left behind is simply taken over.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tracing::warn;

use super::Files;

/// How often, and with which pauses, a file is tried that others are just writing or removing: one second in all.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// A pid file, locked and holding the id of this process. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    file: File,
    path: PathBuf,
}

/// Why a gateway has no pid file and so must not start.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// A gateway of that name works in the directory.
    #[error(
        "{path}: a gateway with pid {pid} already runs here; stop it, or give this one another name than {name:?} with --name"
    )]
    AlreadyRunning {
        /// The pid file.
        path: PathBuf,
        /// The process that holds it.
        pid: u32,
        /// The name that both were given.
        name: String,
    },
    /// Somebody holds the lock, but the file does not name a process of this machine.
    #[error(
        "{path}: a process that cannot be seen from here (in another container?) holds the lock; give this gateway another name than {name:?} with --name"
    )]
    HeldElsewhere {
        /// The pid file.
        path: PathBuf,
        /// The name that this gateway was given.
        name: String,
    },
    /// The file system does not let us have the file.
    #[error(
        "{path}: cannot {action} the pid file: {source}; the working directory must be one that the gateway may write to"
    )]
    Io {
        /// The pid file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl PidFile {
    /// Makes `NAME.pid`, locks it and writes the id of this process and a newline into it. The file of a dead process is
    /// replaced.
    ///
    /// Blocks for up to a second when the file is held by a process that has not written its id yet.
    ///
    /// # Errors
    /// When a gateway of the same name runs in that directory, or when the file cannot be made.
    pub fn acquire(files: &Files) -> Result<Self, PidFileError> {
        for _ in 0..ATTEMPTS {
            match attempt(files)? {
                Attempt::Held(mut held) => return held.write().map(|()| held),
                Attempt::Taken(Some(pid)) => return Err(already_running(files, pid)),
                Attempt::Taken(None) | Attempt::Replaced => thread::sleep(PAUSE),
            }
        }
        Err(PidFileError::HeldElsewhere { path: files.path("pid"), name: files.name().to_string() })
    }

    fn write(&mut self) -> Result<(), PidFileError> {
        let text = format!("{}\n", process::id());
        self.file
            .set_len(0)
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|source| io_error(&self.path, "write", source))
    }

    /// Whether the path still leads to the file that is locked: somebody may have removed it by hand.
    fn is_in_place(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(there) => Ok(is_same(&there, &self.file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for PidFile {
    /// Removes the file while the lock is still held, so that no newcomer can lose its own file by it.
    fn drop(&mut self) {
        let removed = match self.is_in_place() {
            Ok(true) => fs::remove_file(&self.path),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            warn!(path = %self.path.display(), %error, "pid file cannot be removed");
        }
    }
}

/// Why there is no gateway to talk to.
#[derive(Debug, thiserror::Error)]
pub enum NotRunning {
    /// There is no pid file.
    #[error("no gateway runs here: there is no {0}; is this its working directory, and its --name?")]
    NoFile(PathBuf),
    /// There is one, but nobody holds it.
    #[error("no gateway runs here: nobody holds {0}, which a gateway left behind that was killed")]
    Stale(PathBuf),
    /// It is held, and names no process of this machine.
    #[error("{0} is held by a process that cannot be seen from here (in another container?)")]
    HeldElsewhere(PathBuf),
    /// It cannot be looked at.
    #[error("{path}: cannot look at the pid file: {source}")]
    Io {
        /// The pid file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The gateway that runs with these files. Its lock on the pid file tells it from any other process.
///
/// # Errors
/// There is none.
pub fn running_gateway(files: &Files) -> Result<Pid, NotRunning> {
    let path = files.path("pid");
    let failed = |source| NotRunning::Io { path: path.clone(), source };
    let mut file = File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => NotRunning::NoFile(path.clone()),
        _ => failed(source),
    })?;
    for _ in 0..ATTEMPTS {
        match file.try_lock_shared() {
            Ok(()) => return Err(NotRunning::Stale(path)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        file.rewind().map_err(failed)?;
        if let Some(pid) = living_pid(&mut file) {
            return Ok(pid);
        }
        thread::sleep(PAUSE);
    }
    Err(NotRunning::HeldElsewhere(path))
}

/// What one look at the file brought.
enum Attempt {
    /// The lock is ours, and so is the file at the path.
    Held(PidFile),
    /// Another process has the lock: the one that the file names, if that one is alive.
    Taken(Option<Pid>),
    /// The file was removed or replaced between opening and locking it.
    Replaced,
}

fn attempt(files: &Files) -> Result<Attempt, PidFileError> {
    let path = files.path("pid");
    let mut file = open(&path).map_err(|source| io_error(&path, "open", source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Attempt::Taken(living_pid(&mut file))),
        Err(TryLockError::Error(source)) => return Err(io_error(&path, "lock", source)),
    }
    let held = PidFile { file, path };
    let in_place = held.is_in_place().map_err(|source| io_error(&held.path, "check", source))?;
    // A file that is not in place is not removed by the drop of `held` either.
    Ok(if in_place { Attempt::Held(held) } else { Attempt::Replaced })
}

fn open(path: &Path) -> io::Result<File> {
    // Not truncated: until it is locked, the text belongs to another gateway.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The process that the file names, if it lives. The text may be unfinished, or that of a dead process, in the moment
/// between another gateway's lock and its writing.
fn living_pid(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let pid = Pid::from_raw(text.strip_suffix('\n')?.parse().ok().filter(|&pid| pid > 0)?)?;
    // A process of another user cannot be signalled (EPERM), but it lives.
    (test_kill_process(pid) != Err(Errno::SRCH)).then_some(pid)
}

fn already_running(files: &Files, pid: Pid) -> PidFileError {
    let pid = pid.as_raw_pid().unsigned_abs();
    PidFileError::AlreadyRunning { path: files.path("pid"), pid, name: files.name().to_string() }
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> PidFileError {
    PidFileError::Io { path: path.to_owned(), action, source }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::process::Name;

    fn directory() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path(), Name::new("fastway").unwrap());
        (dir, files)
    }

    fn own_line() -> String {
        format!("{}\n", process::id())
    }

    #[test]
    fn holds_the_pid_while_it_lives_and_is_gone_afterwards() {
        let (_dir, files) = directory();
        let held = PidFile::acquire(&files).unwrap();
        assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
        drop(held);
        assert!(!files.path("pid").exists());
    }

    #[test]
    fn a_second_one_is_told_the_pid_and_the_way_out() {
        let (_dir, files) = directory();
        let _held = PidFile::acquire(&files).unwrap();
        let error = PidFile::acquire(&files).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {} ", process::id())), "{error}");
        assert!(error.contains("--name"), "{error}");
        assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
    }

    #[test]
    fn another_name_has_another_file() {
        let (dir, files) = directory();
        let _held = PidFile::acquire(&files).unwrap();
        let _other = PidFile::acquire(&Files::new(dir.path(), Name::new("other").unwrap())).unwrap();
    }

    #[test]
    fn a_stale_file_is_replaced_whatever_it_holds() {
        let (_dir, files) = directory();
        for stale in
            ["", "1\n", "4194304999\n", "-7\n", "not a number, and far longer than any process id is\n", "\u{0}"]
        {
            fs::write(files.path("pid"), stale).unwrap();
            let _held = PidFile::acquire(&files).unwrap();
            assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
        }
    }

    #[test]
    fn a_lock_whose_holder_is_not_to_be_seen_is_an_error_of_its_own() {
        let (_dir, files) = directory();
        let foreign = File::create(files.path("pid")).unwrap();
        foreign.lock().unwrap();
        let error = PidFile::acquire(&files).unwrap_err();
        assert!(matches!(error, PidFileError::HeldElsewhere { .. }), "{error}");
    }

    #[test]
    fn a_file_that_somebody_replaced_is_left_alone() {
        let (_dir, files) = directory();
        let held = PidFile::acquire(&files).unwrap();
        fs::remove_file(files.path("pid")).unwrap();
        let newer = PidFile::acquire(&files).unwrap();
        drop(held);
        assert!(files.path("pid").exists());
        drop(newer);
        assert!(!files.path("pid").exists());
    }

    #[test]
    fn whoever_holds_the_file_is_the_running_gateway() {
        let (_dir, files) = directory();
        assert!(matches!(running_gateway(&files).unwrap_err(), NotRunning::NoFile(_)));
        fs::write(files.path("pid"), own_line()).unwrap();
        assert!(matches!(running_gateway(&files).unwrap_err(), NotRunning::Stale(_)));
        let held = PidFile::acquire(&files).unwrap();
        assert_eq!(running_gateway(&files).unwrap().as_raw_pid().unsigned_abs(), process::id());
        drop(held);
        let foreign = File::create(files.path("pid")).unwrap();
        foreign.lock().unwrap();
        assert!(matches!(running_gateway(&files).unwrap_err(), NotRunning::HeldElsewhere(_)));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let (dir, _) = directory();
        let files = Files::new(dir.path().join("missing"), Name::new("fastway").unwrap());
        let error = PidFile::acquire(&files).unwrap_err().to_string();
        assert!(error.contains("missing/fastway.pid") && error.contains("cannot open"), "{error}");
    }

    #[test]
    fn a_directory_in_its_place_is_named() {
        let (_dir, files) = directory();
        fs::create_dir(files.path("pid")).unwrap();
        let error = PidFile::acquire(&files).unwrap_err().to_string();
        assert!(error.contains("fastway.pid: cannot open"), "{error}");
    }

    #[test]
    fn of_many_that_start_and_stop_at_once_only_one_holds_it_at_a_time() {
        let (_dir, files) = directory();
        let holders = std::sync::atomic::AtomicU32::new(0);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..200 {
                        if let Ok(held) = PidFile::acquire(&files) {
                            assert_eq!(holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                            assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
                            holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            drop(held);
                        }
                    }
                });
            }
        });
        assert!(!files.path("pid").exists());
    }
}
