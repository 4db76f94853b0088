//! `lookup goroutine`: what every task of the gateway does, and since when.
//!
//! The name is that of the original gateway, whose tasks were goroutines.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use super::output::write_file;
use super::{CommandError, RegisterError, Registry, Verbosity};
use crate::gateway::{LinkFilter, LinkInfo, Observer, PausedBy, TasksInfo};
use crate::link::WaitReason;
use crate::routing::Role;

/// Adds `lookup goroutine`, which writes a line for each task to `path`, as text.
///
/// # Errors
/// When the registry has the command already.
pub fn register_tasks(registry: &mut Registry, observer: Observer, path: PathBuf) -> Result<(), RegisterError> {
    registry.register("lookup goroutine", "[n]", "writes what every task does, as text", move |args, answer| {
        Verbosity::try_from(args)?;
        let mut tasks = 0;
        write_file(&path, "the list of tasks", |out| {
            let mut line = |line: &dyn fmt::Display| {
                tasks += 1;
                writeln!(out, "{line}")
            };
            for worker in observer.tasks().map_err(CommandError::failed)? {
                worker.lines().iter().try_for_each(|task| line(task))?;
            }
            let mut written = Ok(());
            let visited = observer.visit_links(&LinkFilter::default(), |link| {
                written = line(&LinkTask(&link));
                if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            visited.map_err(CommandError::failed)?;
            written?;
            Ok(line(&"task=admin state=\"runs this command\"")?)
        })?;
        Ok(writeln!(answer, "{tasks} tasks written to {}", path.display())?)
    })
}

impl TasksInfo {
    fn lines(&self) -> Vec<String> {
        let Self { worker, age, swept, .. } = self;
        let mut lines = vec![
            format!("task=pump worker={worker} state=\"ends turns\" for={age:.3?}"),
            format!("task=sweep worker={worker} state=\"waits for its time\" for={swept:.3?}"),
        ];
        lines.extend(self.acceptors.iter().map(|acceptor| {
            let state = if acceptor.pausing { "pauses after an error" } else { "accepts" };
            format!("task=acceptor worker={worker} side={} state={state:?} for={:.3?}", acceptor.side, acceptor.lasting)
        }));
        lines.extend(self.handshakes.iter().map(|handshake| {
            let (peer, age) = (handshake.peer, handshake.age);
            format!("task=handshake worker={worker} peer={peer} state=\"waits for the server's proof\" for={age:.3?}")
        }));
        lines
    }
}

/// The task of a link.
struct LinkTask<'a>(&'a LinkInfo);

impl fmt::Display for LinkTask<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.0;
        let (state, since) = state(link);
        write!(out, "task=link worker={} link={} side={}", link.worker, link.id, link.role.side())?;
        if let Role::Server(server) = link.role {
            write!(out, " server={server}")?;
        }
        write!(out, " peer={} state={state:?} for={since:.3?} age={:.3?}", link.peer, link.age)
    }
}

/// What a link waits for, and since when.
fn state(link: &LinkInfo) -> (String, Duration) {
    let longest = link.held_up().max_by_key(|(_, lasting)| *lasting);
    match (longest, link.paused_by) {
        (Some((WaitReason::PausedSource, lasting)), Some(PausedBy::Server(by))) => {
            (format!("not read: the outbox of server link {by} is full"), lasting)
        }
        (Some((WaitReason::PausedSource, lasting)), Some(PausedBy::Worker(by))) => {
            (format!("not read: the way to worker {by} is full"), lasting)
        }
        (Some((reason, lasting)), _) => (words(reason).to_owned(), lasting),
        (None, _) if link.closing => ("closes: gets what waits for it".to_owned(), link.silent),
        (None, _) => ("waits for bytes".to_owned(), link.silent),
    }
}

fn words(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::OutboxFull => "its outbox is full",
        WaitReason::PausedSource => "not read: is let through soon",
        WaitReason::UnreadAnswers => "not read: the peer does not take its answers",
        WaitReason::ByteRate => "not read: it has sent what --max-bytes-per-second allows",
        WaitReason::SlowWrite => "waits until the system takes more",
    }
}
