//! Which gateway is meant, and one command for it.

use std::path::Path;
use std::time::Instant;

use fastway_admin::Outcome;
use fastway_service::process::{Files, running_gateway, running_gateways};
use tokio::runtime::Builder;
use tokio::time::timeout_at;

use super::command_file::CommandFileWay;
use super::error::{CtlError, Whom, number};
use super::socket::{Listening, listening};
use crate::cli::CtlOptions;

/// The way to a running gateway.
enum Gateway {
    Socket(Listening),
    CommandFile(CommandFileWay),
}

impl Gateway {
    /// The one that is meant.
    async fn find(options: &CtlOptions) -> Result<Self, CtlError> {
        let files = Files::new(options.dir.as_deref().unwrap_or(Path::new(".")), options.name.clone());
        let sockets = listening(&files).await?;
        if let Some(pid_file) = &options.pid_file {
            let pid = running_gateway(pid_file)?;
            let socket = sockets.into_iter().find(|socket| socket.pid == Some(number(pid)));
            let by_file = || Self::CommandFile(CommandFileWay { pid, pid_file: pid_file.clone(), files });
            return Ok(socket.map_or_else(by_file, Self::Socket));
        }

        let running = match running_gateways(&files) {
            Err(error) if sockets.is_empty() => return Err(error.into()),
            running => running.unwrap_or_default(),
        };
        let without = running.into_iter().filter(|(_, files)| sockets.iter().all(|socket| socket.files != *files));
        let without: Vec<_> = without.collect();
        let by_file =
            without.into_iter().map(|(pid, files)| CommandFileWay { pid, pid_file: files.path("pid"), files });
        let by_file = by_file.map(Self::CommandFile);
        Self::choose(sockets.into_iter().map(Self::Socket).chain(by_file).collect(), options.pid)
    }

    /// The only one, or that of this process.
    fn choose(running: Vec<Self>, wanted: Option<u32>) -> Result<Self, CtlError> {
        let pids: Vec<u32> = running.iter().filter_map(Self::pid).collect();
        let mut meant = running.into_iter().filter(|gateway| wanted.is_none() || gateway.pid() == wanted);
        match (meant.next(), meant.next(), wanted) {
            (Some(gateway), None, _) => Ok(gateway),
            (None, _, Some(pid)) => Err(CtlError::NoSuchPid { pid, running: pids }),
            _ => Err(CtlError::Several(pids)),
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Socket(socket) => socket.pid,
            Self::CommandFile(way) => Some(number(way.pid)),
        }
    }
}

/// What came of a command, and the process that ran it, as far as that is known.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) pid: Option<u32>,
}

/// Runs one command on the gateway that is meant.
///
/// # Errors
/// The command was not run, or nobody knows what came of it. What the command itself says is in the [`Outcome`].
pub(crate) fn run(options: &CtlOptions) -> Result<Answered, CtlError> {
    let CtlOptions { command, timeout: limit, .. } = options;
    if command.contains(|c: char| c.is_control() && c != '\t') || command.trim_start().starts_with('#') {
        return Err(CtlError::BadCommand(command.chars().take(64).collect()));
    }
    let until = Instant::now() + *limit;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CtlError::Runtime)?;
    let (pid, results) = runtime.block_on(async {
        let late = CtlError::NoAnswer { gateway: Whom(None), limit: *limit, hint: "" };
        let gateway = timeout_at(until.into(), Gateway::find(options)).await.map_err(|_| late)??;
        let pid = gateway.pid();
        let results = match gateway {
            Gateway::Socket(socket) => socket.ask(command, until, *limit).await?,
            // Nothing else runs here, so it may block.
            Gateway::CommandFile(way) => way.ask(command, until, *limit)?,
        };
        Ok::<_, CtlError>((pid, results))
    })?;
    match (results.outcomes.into_iter().next(), results.failure) {
        (Some(outcome), _) => Ok(Answered { outcome, pid }),
        (None, failure) => Err(CtlError::Refused(failure.unwrap_or_else(|| "it holds no command".to_owned()))),
    }
}
