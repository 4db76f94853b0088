//! `fastway ctl`: asks a running gateway something and waits for the answer.
//!
//! It does what an operator can do by hand: writes the command file, sends the signal, reads the result file. Those who
//! ask at the same time wait for each other at a lock on the directory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use fastway_admin::{Outcome, Results};
use fastway_service::process::{Files, NotRunning, read_text, running_gateway, running_gateways};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::cli::CtlOptions;

/// Time between looks at the result file.
const PAUSE: Duration = Duration::from_millis(10);

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CtlError {
    /// There is nobody to ask.
    #[error(transparent)]
    NotRunning(#[from] NotRunning),
    /// More than one runs here, and sharing their ports is no reason to ask any of them.
    #[error("{} gateways run here, with pid {}: --pid says which one to ask", .0.len(), list(.0))]
    Several(Vec<u32>),
    /// There are some, but not that one.
    #[error("no gateway with pid {pid} runs here under that name; there is one with pid {}", list(.running))]
    NoSuchPid {
        /// The one that was asked for.
        pid: u32,
        /// Those that run.
        running: Vec<u32>,
    },
    /// The command is none that a command file can hold.
    #[error("{0:?} cannot be a command: it must be one line of text and not begin with `#`")]
    BadCommand(String),
    /// The gateway belongs to somebody else.
    #[error(
        "the gateway with pid {pid} belongs to user {owner}: run this as that user or as root, for example `sudo -u '#{owner}' fastway ctl …`"
    )]
    NotAllowed {
        /// The gateway's process.
        pid: u32,
        /// The number of the user that it runs as.
        owner: u32,
    },
    /// A file cannot be had.
    #[error("{path}: cannot {action}: {source}; this must run as the gateway's user or as root")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The signal cannot be sent.
    #[error("cannot signal the gateway with pid {pid}: {source}")]
    Signal {
        /// The gateway's process.
        pid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else asks, and takes too long.
    #[error("another command is under way for more than {0:?}; this one was not run")]
    Busy(Duration),
    /// The gateway has not answered.
    #[error(
        "the gateway with pid {pid} did not answer within {limit:?} (--timeout): the command may take longer, or somebody replaced the command file; see its log"
    )]
    NoAnswer {
        /// The gateway's process.
        pid: u32,
        /// How long it had.
        limit: Duration,
    },
    /// The gateway has ended.
    #[error("the gateway with pid {pid} ended before it answered")]
    Ended {
        /// The gateway's process.
        pid: u32,
    },
    /// The gateway did not run the command file.
    #[error("the gateway did not run the command: {0}")]
    Refused(String),
}

/// A running gateway.
struct Gateway {
    pid: Pid,
    pid_file: PathBuf,
    files: Files,
}

impl Gateway {
    /// The one that is meant.
    fn find(options: &CtlOptions) -> Result<Self, CtlError> {
        let files = Files::new(options.dir.as_deref().unwrap_or(Path::new(".")), options.name.clone());
        if let Some(pid_file) = &options.pid_file {
            return Ok(Self { pid: running_gateway(pid_file)?, pid_file: pid_file.clone(), files });
        }
        let running = running_gateways(&files)?;
        let pids: Vec<u32> = running.iter().map(|(pid, _)| number(*pid)).collect();
        let mut meant = running.into_iter().filter(|(pid, _)| options.pid.is_none_or(|wanted| wanted == number(*pid)));
        match (meant.next(), meant.next(), options.pid) {
            (Some((pid, files)), None, _) => Ok(Self { pid, pid_file: files.path("pid"), files }),
            (None, _, Some(pid)) => Err(CtlError::NoSuchPid { pid, running: pids }),
            _ => Err(CtlError::Several(pids)),
        }
    }

    fn still_runs(&self) -> bool {
        running_gateway(&self.pid_file).is_ok_and(|pid| pid == self.pid)
    }
}

/// Numbers as a reader takes them.
fn list(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ")
}

/// Runs one command on the gateway that is meant.
///
/// # Errors
/// The command was not run, or nobody knows what came of it. What the command itself says is in the [`Outcome`].
pub(crate) fn run(options: &CtlOptions) -> Result<Outcome, CtlError> {
    let CtlOptions { command, timeout: limit, .. } = options;
    let limit = *limit;
    if command.contains(|c: char| c.is_control() && c != '\t') || command.trim_start().starts_with('#') {
        return Err(CtlError::BadCommand(command.chars().take(64).collect()));
    }
    let until = Instant::now() + limit;
    let gateway = Gateway::find(options)?;
    let Gateway { pid, ref files, .. } = gateway;
    // Before anything is written: somebody else would run it.
    test_kill_process(pid).map_err(|errno| not_signalled(pid, errno))?;
    let _alone = lock(files.dir(), until, limit)?;
    let request = format!("ctl {:016x}", rand::random::<u64>());
    let _asked = CommandsOnDisk::write(files.path("cmd"), format!("# {request}\n{command}\n"))?;
    let before = read(&files.path("cmd.out")).map(|(file, _)| file);
    kill_process(pid, Signal::USR1).map_err(|errno| not_signalled(pid, errno))?;
    let results = wait(&gateway, &request, before, until).ok_or(CtlError::NoAnswer { pid: number(pid), limit })??;
    match (results.outcomes.into_iter().next(), results.failure) {
        (Some(outcome), _) => Ok(outcome),
        (None, failure) => Err(CtlError::Refused(failure.unwrap_or_else(|| "it holds no command".to_owned()))),
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
    gateway: &Gateway,
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
            return Some(Err(CtlError::Ended { pid: number(gateway.pid) }));
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

fn number(pid: Pid) -> u32 {
    pid.as_raw_pid().unsigned_abs()
}
