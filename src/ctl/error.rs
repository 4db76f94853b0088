//! Why a running gateway gave no answer.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fastway_service::process::NotRunning;
use rustix::process::Pid;

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
    #[error("{gateway} did not answer within {limit:?} (--timeout): the command may take longer{hint}; see its log")]
    NoAnswer {
        /// The gateway.
        gateway: Whom,
        /// How long it had.
        limit: Duration,
        /// Another possible cause, ready to print, or nothing.
        hint: &'static str,
    },
    /// The gateway has ended.
    #[error("{0} ended before it answered")]
    Ended(Whom),
    /// The answer makes no sense.
    #[error("{0} answered something that is no result: is it of another version?")]
    Nonsense(Whom),
    /// The system has no resources for it.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The socket does not let us ask.
    #[error("{path}: cannot connect: {source}; this must run as the gateway's user or as root")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody has taken the drain back.
    #[error("{0} drains no more: the drain was taken back")]
    TakenBack(Whom),
    /// Nobody has left for too long.
    #[error(
        "the drain of {gateway} has made no progress for {limit:?} (--timeout); it goes on: see `fastway ctl drain status`"
    )]
    NoProgress {
        /// The gateway.
        gateway: Whom,
        /// How long it had.
        limit: Duration,
    },
    /// The answer cannot be shown.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
    /// The gateway did not run the command file.
    #[error("the gateway did not run the command: {0}")]
    Refused(String),
}

/// A gateway in a message: its process, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whom(pub(super) Option<u32>);

impl fmt::Display for Whom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(out, "the gateway with pid {pid}"),
            None => out.write_str("the gateway"),
        }
    }
}

/// Numbers as a reader takes them.
fn list(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ")
}

/// The number of a process.
pub(super) fn number(pid: Pid) -> u32 {
    pid.as_raw_pid().unsigned_abs()
}
