//! The pid file: the proof that one gateway, and only one, works in a directory under a name.
//!
//! The lock is the proof, the text is for people. The kernel lets go of the lock whenever the process ends, so a file
//! that a killed gateway left behind is simply taken over.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, geteuid};
use tracing::warn;

use super::Files;
use super::trust::{OtherWriter, without_links};

/// What the log calls this module.
const TARGET: &str = "fastway::process::pid_file";
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
        "{path}: a gateway with pid {pid} already runs here; stop it, or give this one another name with --name, or share the ports with it (--reuse-port)"
    )]
    AlreadyRunning {
        /// The pid file.
        path: PathBuf,
        /// The process that holds it.
        pid: u32,
    },
    /// Somebody holds the lock, but the file does not name a process that is seen to.
    #[error(
        "{path}: a process that cannot be seen from here (in another container?) holds the lock; give this gateway another name with --name"
    )]
    HeldElsewhere {
        /// The pid file.
        path: PathBuf,
    },
    /// The file system does not let us have the file.
    #[error("{path}: cannot {action} the pid file: {error}")]
    Io {
        /// The pid file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// Where a gateway writes its pid file (`--pid-file`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PidFilePlace {
    /// `NAME.pid` in the working directory. Where that cannot be written, the gateway goes on without.
    #[default]
    Named,
    /// Here, or the gateway does not start.
    At(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Takes the pid file of a gateway that starts. Returns it, if there is to be one, and the files that are this gateway's:
/// with `shares_ports` those of its process, when another gateway holds those of the name.
///
/// # Errors
/// Another gateway holds the file, or a file that was asked for cannot be made.
pub fn take_pid_file(
    files: Files,
    place: &PidFilePlace,
    shares_ports: bool,
) -> Result<(Option<PidFile>, Files), PidFileError> {
    match place {
        PidFilePlace::Nowhere => Ok((None, files)),
        PidFilePlace::At(path) => Ok((Some(PidFile::acquire(path)?), files)),
        PidFilePlace::Named => match PidFile::acquire(&files.path("pid")) {
            Err(taken @ (PidFileError::AlreadyRunning { .. } | PidFileError::HeldElsewhere { .. })) if shares_ports => {
                let files = files.of_process(process::id());
                warn!(
                    target: TARGET,
                    "another gateway holds {}: this one shares its ports (--reuse-port) and has files of its own, {name}.pid, {name}.cmd and so on",
                    taken.path().display(),
                    name = files.name()
                );
                Ok((or_without(PidFile::acquire(&files.path("pid")))?, files))
            }
            acquired => Ok((or_without(acquired)?, files)),
        },
    }
}

/// A gateway in a directory that cannot be written, as in a container, serves all the same.
fn or_without(acquired: Result<PidFile, PidFileError>) -> Result<Option<PidFile>, PidFileError> {
    match acquired {
        Err(error @ PidFileError::Io { .. }) => {
            warn!(
                target: TARGET,
                "{error}; the gateway runs without one, so that `fastway ctl` does not find it (--pid-file names another place, --pid-file none does without)"
            );
            Ok(None)
        }
        acquired => acquired.map(Some),
    }
}

impl PidFile {
    /// Makes the file, locks it and writes the id of this process and a newline into it. The file of a dead process is
    /// taken over, or replaced when others may write to it. A symbolic link is not followed.
    ///
    /// Blocks for up to a second when the file is held by a process that has not written its id yet.
    ///
    /// # Errors
    /// When a gateway holds the file, or when it cannot be made.
    pub fn acquire(path: &Path) -> Result<Self, PidFileError> {
        for _ in 0..ATTEMPTS {
            match attempt(path)? {
                Attempt::Held(mut held) => return held.write().map(|()| held),
                Attempt::Taken(Some(pid)) => {
                    let pid = pid.as_raw_pid().unsigned_abs();
                    return Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid });
                }
                Attempt::Taken(None) | Attempt::Replaced => thread::sleep(PAUSE),
            }
        }
        Err(PidFileError::HeldElsewhere { path: path.to_owned() })
    }

    fn write(&mut self) -> Result<(), PidFileError> {
        let text = format!("{}\n", process::id());
        self.file
            .set_len(0)
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| io_error(&self.path, "write", error))
    }

    /// Whether the path still leads to the file that is locked: somebody may have removed it by hand.
    fn is_in_place(&self) -> io::Result<bool> {
        match fs::symlink_metadata(&self.path) {
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
            warn!(target: TARGET, path = %self.path.display(), %error, "pid file cannot be removed");
        }
    }
}

impl PidFileError {
    fn path(&self) -> &Path {
        match self {
            Self::AlreadyRunning { path, .. } | Self::HeldElsewhere { path } | Self::Io { path, .. } => path,
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
    #[error("{path}: cannot look at the pid file: {error}")]
    Io {
        /// The pid file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The gateway that holds this pid file. Its lock tells it from any other process.
///
/// # Errors
/// There is none.
pub fn running_gateway(path: &Path) -> Result<Pid, NotRunning> {
    let failed = |error| NotRunning::Io { path: path.to_owned(), error };
    let mut file = without_links().read(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NotRunning::NoFile(path.to_owned()),
        _ => failed(error),
    })?;
    for _ in 0..ATTEMPTS {
        match file.try_lock_shared() {
            Ok(()) => return Err(NotRunning::Stale(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        file.rewind().map_err(failed)?;
        if let Some(pid) = holder(&mut file) {
            return Ok(pid);
        }
        thread::sleep(PAUSE);
    }
    Err(NotRunning::HeldElsewhere(path.to_owned()))
}

/// All gateways that run under a name in a directory, each with its files: that of `NAME.pid`, and those of `NAME.PID.pid`,
/// which share its ports.
///
/// # Errors
/// There is none.
pub fn running_gateways(files: &Files) -> Result<Vec<(Pid, Files)>, NotRunning> {
    let first = running_gateway(&files.path("pid")).map(|pid| (pid, files.clone()));
    let others = files.of_processes("pid").into_iter().filter_map(|(number, files)| {
        let pid = running_gateway(&files.path("pid")).ok()?;
        (pid.as_raw_pid().unsigned_abs() == number).then_some((pid, files))
    });
    let others: Vec<_> = others.collect();
    match first {
        Err(error) if others.is_empty() => Err(error),
        first => Ok(first.into_iter().chain(others).collect()),
    }
}

/// What one look at the file brought.
enum Attempt {
    /// The lock is ours, and so is the file at the path.
    Held(PidFile),
    /// Another process has the lock: the one that the file names, if that one is seen to have it.
    Taken(Option<Pid>),
    /// The file was removed or replaced between opening and locking it.
    Replaced,
}

fn attempt(path: &Path) -> Result<Attempt, PidFileError> {
    let mut file = open(path).map_err(|error| io_error(path, "open", error))?;
    let metadata = file.metadata().map_err(|error| io_error(path, "check", error))?;
    if !metadata.is_file() {
        return Err(io_error(path, "open", io::Error::other("it is not a regular file")));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Attempt::Taken(holder(&mut file))),
        Err(TryLockError::Error(error)) => return Err(io_error(path, "lock", error)),
    }
    let held = PidFile { file, path: path.to_owned() };
    let in_place = held.is_in_place().map_err(|error| io_error(path, "check", error))?;
    // A file that is not in place is not removed by the drop of `held`. One that others may write to is: they could have
    // it name another process.
    let is_ours = OtherWriter::of(&metadata).is_none() && metadata.nlink() == 1 && metadata.uid() == geteuid().as_raw();
    Ok(if in_place && is_ours { Attempt::Held(held) } else { Attempt::Replaced })
}

fn open(path: &Path) -> io::Result<File> {
    // Not truncated: until it is locked, the text belongs to another gateway.
    let opened = without_links().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("it is a symbolic link, which is not followed"),
        _ => error,
    })
}

/// The process that the file names, if that one holds the file. The text may be unfinished, or that of a dead process, in
/// the moment between another gateway's lock and its writing; and the number may be that of another process here, when the
/// holder lives among other process ids (in a container).
fn holder(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    (&*file).take(32).read_to_string(&mut text).ok()?;
    let pid: u32 = text.strip_suffix('\n')?.parse().ok()?;
    let metadata = file.metadata().ok()?;
    let holds = has_lock(pid, metadata.ino()) || has_open(pid, &metadata);
    Pid::from_raw(pid.cast_signed()).filter(|_| holds)
}

/// Whether the kernel lists a lock of this process on a file of this number. Not every file system shows the same number
/// there, and the list has only processes that can be seen.
fn has_lock(pid: u32, inode: u64) -> bool {
    // `1: FLOCK  ADVISORY  WRITE 20557 fe:00:5744474 0 EOF`
    let is_it = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let is_flock = fields.next() == Some("FLOCK");
        let owner = fields.nth(2).and_then(|owner| owner.parse().ok());
        let file = fields.next().and_then(|file| file.rsplit(':').next()?.parse().ok());
        is_flock && owner == Some(pid) && file == Some(inode)
    };
    fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.lines().any(is_it))
}

/// Whether this process has the file open.
fn has_open(pid: u32, file: &Metadata) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.map(|entry| fs::metadata(entry.path())).any(|other| other.is_ok_and(|other| is_same(&other, file)))
}

fn io_error(path: &Path, action: &'static str, error: io::Error) -> PidFileError {
    PidFileError::Io { path: path.to_owned(), action, error }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
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
        let held = PidFile::acquire(&files.path("pid")).unwrap();
        assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
        drop(held);
        assert!(!files.path("pid").exists());
    }

    #[test]
    fn a_second_one_is_told_the_pid_and_the_way_out() {
        let (_dir, files) = directory();
        let _held = PidFile::acquire(&files.path("pid")).unwrap();
        let error = PidFile::acquire(&files.path("pid")).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {} ", process::id())), "{error}");
        assert!(error.contains("--name"), "{error}");
        assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
    }

    #[test]
    fn another_name_has_another_file() {
        let (dir, files) = directory();
        let _held = PidFile::acquire(&files.path("pid")).unwrap();
        let _other = PidFile::acquire(&Files::new(dir.path(), Name::new("other").unwrap()).path("pid")).unwrap();
    }

    #[test]
    fn a_stale_file_is_replaced_whatever_it_holds() {
        let (_dir, files) = directory();
        for stale in
            ["", "1\n", "4194304999\n", "-7\n", "not a number, and far longer than any process id is\n", "\u{0}"]
        {
            fs::write(files.path("pid"), stale).unwrap();
            let _held = PidFile::acquire(&files.path("pid")).unwrap();
            assert_eq!(fs::read_to_string(files.path("pid")).unwrap(), own_line());
        }
    }

    #[test]
    fn a_lock_whose_holder_is_not_to_be_seen_is_an_error_of_its_own() {
        let (_dir, files) = directory();
        let foreign = File::create(files.path("pid")).unwrap();
        foreign.lock().unwrap();
        let error = PidFile::acquire(&files.path("pid")).unwrap_err();
        assert!(matches!(error, PidFileError::HeldElsewhere { .. }), "{error}");
    }

    #[test]
    fn a_file_that_somebody_replaced_is_left_alone() {
        let (_dir, files) = directory();
        let held = PidFile::acquire(&files.path("pid")).unwrap();
        fs::remove_file(files.path("pid")).unwrap();
        let newer = PidFile::acquire(&files.path("pid")).unwrap();
        drop(held);
        assert!(files.path("pid").exists());
        drop(newer);
        assert!(!files.path("pid").exists());
    }

    #[test]
    fn whoever_holds_the_file_is_the_running_gateway() {
        let (_dir, files) = directory();
        assert!(matches!(running_gateway(&files.path("pid")).unwrap_err(), NotRunning::NoFile(_)));
        fs::write(files.path("pid"), own_line()).unwrap();
        assert!(matches!(running_gateway(&files.path("pid")).unwrap_err(), NotRunning::Stale(_)));
        let held = PidFile::acquire(&files.path("pid")).unwrap();
        assert_eq!(running_gateway(&files.path("pid")).unwrap().as_raw_pid().unsigned_abs(), process::id());
        drop(held);
        let foreign = File::create(files.path("pid")).unwrap();
        foreign.lock().unwrap();
        assert!(matches!(running_gateway(&files.path("pid")).unwrap_err(), NotRunning::HeldElsewhere(_)));
    }

    #[test]
    fn a_lock_of_another_process_than_the_named_one_is_held_elsewhere() {
        let (_dir, files) = directory();
        let path = files.path("pid");
        // Process 1 lives, and has nothing to do with the file.
        fs::write(&path, "1\n").unwrap();
        let foreign = File::open(&path).unwrap();
        foreign.lock().unwrap();
        assert!(matches!(running_gateway(&path).unwrap_err(), NotRunning::HeldElsewhere(_)));
        assert!(matches!(PidFile::acquire(&path).unwrap_err(), PidFileError::HeldElsewhere { .. }));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let (dir, files) = directory();
        let (victim, path) = (dir.path().join("victim"), files.path("pid"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        let error = PidFile::acquire(&path).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert!(matches!(running_gateway(&path).unwrap_err(), NotRunning::Io { .. }));
        fs::remove_file(&path).unwrap();
        fs::hard_link(&victim, &path).unwrap();
        drop(PidFile::acquire(&path).unwrap());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn the_one_that_shares_the_ports_has_files_of_its_own() {
        let (_dir, files) = directory();
        let (first, of_first) = take_pid_file(files.clone(), &PidFilePlace::Named, true).unwrap();
        assert_eq!(of_first, files);
        let (second, of_second) = take_pid_file(files.clone(), &PidFilePlace::Named, true).unwrap();
        assert_eq!(of_second, files.of_process(process::id()));
        assert_eq!(running_gateways(&files).unwrap().len(), 2);
        drop(first);
        let running = running_gateways(&files).unwrap();
        assert_eq!(running.into_iter().map(|(_, files)| files).collect::<Vec<_>>(), [of_second]);
        drop(second);
        assert!(matches!(running_gateways(&files).unwrap_err(), NotRunning::NoFile(_)));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let (dir, _) = directory();
        let files = Files::new(dir.path().join("missing"), Name::new("fastway").unwrap());
        let error = PidFile::acquire(&files.path("pid")).unwrap_err().to_string();
        assert!(error.contains("missing/fastway.pid") && error.contains("cannot open"), "{error}");
    }

    #[test]
    fn a_directory_in_its_place_is_named() {
        let (_dir, files) = directory();
        fs::create_dir(files.path("pid")).unwrap();
        let error = PidFile::acquire(&files.path("pid")).unwrap_err().to_string();
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
                        if let Ok(held) = PidFile::acquire(&files.path("pid")) {
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
