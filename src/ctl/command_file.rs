//! The way to a gateway without a socket: writes the command file, sends the signal, reads the result file. Those who ask
//! at the same time wait for each other at a lock on the directory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use fastway_admin::Results;
use fastway_service::process::{Files, read_text, running_gateway};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::error::{CtlError, Whom, number};

/// Time between looks at the result file.
const PAUSE: Duration = Duration::from_millis(10);

/// A running gateway, and its files.
pub(super) struct CommandFileWay {
    pub(super) pid: Pid,
    pub(super) pid_file: PathBuf,
    pub(super) files: Files,
}

impl CommandFileWay {
    /// Has a command run, and waits for what comes of it.
    pub(super) fn ask(&self, command: &str, until: Instant, limit: Duration) -> Result<Results, CtlError> {
        let Self { pid, ref files, .. } = *self;
        // Before anything is written: somebody else would run it.
        test_kill_process(pid).map_err(|errno| not_signalled(pid, errno))?;
        let _alone = lock(files.dir(), until, limit)?;
        let request = format!("ctl {:016x}", rand::random::<u64>());
        let _asked = CommandsOnDisk::write(files.path("cmd"), format!("# {request}\n{command}\n"))?;
        let before = read(&files.path("cmd.out")).map(|(file, _)| file);
        kill_process(pid, Signal::USR1).map_err(|errno| not_signalled(pid, errno))?;
        let late = CtlError::NoAnswer {
            gateway: Whom(Some(number(pid))),
            limit,
            hint: ", or somebody replaced the command file",
        };
        wait(self, &request, before, until).unwrap_or(Err(late))
    }

    fn still_runs(&self) -> bool {
        running_gateway(&self.pid_file).is_ok_and(|pid| pid == self.pid)
    }
}

/// Waits for those who ask already. The lock ends with the file.
fn lock(dir: &Path, until: Instant, limit: Duration) -> Result<File, CtlError> {
    let failed = |action| move |source| CtlError::File { path: dir.to_owned(), action, source };
    let dir_file = File::open(dir).map_err(failed("open the directory"))?;
    loop {
        match dir_file.try_lock() {
            Ok(()) => return Ok(dir_file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
            Err(fs::TryLockError::WouldBlock) => return Err(CtlError::Busy(limit)),
            Err(fs::TryLockError::Error(source)) => return Err(failed("lock the directory")(source)),
        }
    }
}

/// A command file of ours. Its drop takes it away: the next signal must not run it again, nor later what was given up.
struct CommandsOnDisk {
    path: PathBuf,
    text: String,
}

impl CommandsOnDisk {
    /// Replaces the command file: the gateway sees all of it or the one before.
    fn write(path: PathBuf, text: String) -> Result<Self, CtlError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}", process::id()));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&unfinished);
        let written = opened.and_then(|mut file| {
            // Whatever the mask of whoever asks: the gateway must be able to read it.
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.write_all(text.as_bytes())
        });
        match written.and_then(|()| fs::rename(&unfinished, &path)) {
            Ok(()) => Ok(Self { path, text }),
            Err(source) => {
                // What is left of it is of no use, and the error that counts is the first one.
                let _ = fs::remove_file(&unfinished);
                Err(CtlError::File { path, action: "write the command file", source })
            }
        }
    }
}

impl Drop for CommandsOnDisk {
    fn drop(&mut self) {
        if read_text(&self.path).is_ok_and(|(_, text)| text == self.text) {
            // Who could write it can remove it; if not, it does no more harm than one written by hand.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn not_signalled(pid: Pid, errno: Errno) -> CtlError {
    match errno {
        Errno::PERM => CtlError::NotAllowed { pid: number(pid), owner: owner(pid) },
        errno => CtlError::Signal { pid: number(pid), source: errno.into() },
    }
}

fn owner(pid: Pid) -> u32 {
    fs::metadata(format!("/proc/{}", number(pid))).map_or(0, |process| process.uid())
}

/// The results of our request; `None` when there are none in time.
fn wait(
    gateway: &CommandFileWay,
    request: &str,
    before: Option<Version>,
    until: Instant,
) -> Option<Result<Results, CtlError>> {
    let path = gateway.files.path("cmd.out");
    loop {
        let is_running = gateway.still_runs();
        if let Some((seen, results)) = read(&path) {
            let is_ours = results.request.as_deref() == Some(request);
            // A command file that was refused as a whole says not who asked.
            let is_refused = results.request.is_none() && results.outcomes.is_empty();
            if is_ours || is_refused && before != Some(seen) {
                return Some(Ok(results));
            }
        }
        if !is_running {
            return Some(Err(CtlError::Ended(Whom(Some(number(gateway.pid))))));
        }
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// What tells a result file from the next one: its number and the time of its last change.
type Version = (u64, i64, i64);

/// What the result file holds.
fn read(path: &Path) -> Option<(Version, Results)> {
    let (file, text) = read_text(path).ok()?;
    let results = Results::parse(&text)?;
    Some(((file.ino(), file.mtime(), file.mtime_nsec()), results))
}
