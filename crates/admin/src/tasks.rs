//! The command `lookup goroutine`: the state of every task of the gateway.
//!
//! The name is that of the original gateway, whose tasks were goroutines.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::output::{Counted, write_file};
use super::profile::{Frame, ProfileBuilder};
use super::{CommandError, RegisterError, Registry, Verbosity};
use crate::observe::{AskError, LinkFilter, LinkInfo, Observe, PausedBy, Role, TasksInfo, WaitReason};

/// Adds `lookup goroutine`, which writes a line for each task to `path`, as text.
///
/// # Errors
/// When the registry has the command already.
pub fn register_tasks(registry: &mut Registry, observer: Arc<dyn Observe>, path: PathBuf) -> Result<(), RegisterError> {
    registry.register("lookup goroutine", "[n]", "writes what every task does, as text", move |args, answer| {
        Verbosity::try_from(args)?;
        let mut tasks = 0;
        write_file(&path, "the list of tasks", |out| {
            let mut written = Ok(());
            let visited = visit_tasks(&*observer, |task| {
                tasks += 1;
                written = writeln!(out, "{task}");
                if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            visited.map_err(CommandError::failed)?;
            written?;
            tasks += 1;
            Ok(writeln!(out, "task=admin state=\"runs this command\"")?)
        })?;
        Ok(writeln!(answer, "{} written to {}", Counted(tasks, "task"), path.display())?)
    })
}

/// The state of every task, for `go tool pprof` or as text.
///
/// # Errors
/// A worker has not answered.
pub(crate) fn task_profile(observer: &dyn Observe, as_text: bool) -> Result<Vec<u8>, AskError> {
    let (mut profile, mut text) = (ProfileBuilder::new(&[("goroutine", "count")]), String::new());

    visit_tasks(observer, |task| {
        if as_text {
            text.push_str(&format!("{task}\n"));
        } else {
            profile.add(&[task.state.as_str(), task.kind].map(Frame::from), &[1]);
        }
        ControlFlow::Continue(())
    })?;

    Ok(if as_text { text.into_bytes() } else { profile.encode() })
}

/// A task of a worker.
struct Task {
    kind: &'static str,
    /// The link, peer or worker that the task belongs to, as fields of the line.
    place: String,
    state: String,
    lasting: Duration,
    /// Since when there has been what it works for, if that is something else.
    age: Option<Duration>,
}

impl fmt::Display for Task {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, place, state, lasting, age } = self;
        write!(out, "task={kind} {place} state={state:?} for={lasting:.3?}")?;
        age.map_or(Ok(()), |age| write!(out, " age={age:.3?}"))
    }
}

/// Calls `visit` for every task, until it breaks.
fn visit_tasks(observer: &dyn Observe, mut visit: impl FnMut(Task) -> ControlFlow<()>) -> Result<(), AskError> {
    for worker in observer.tasks()? {
        if tasks_of(worker).into_iter().try_for_each(&mut visit).is_break() {
            return Ok(());
        }
    }
    observer.visit_links(&LinkFilter::default(), &mut |link| visit(Task::of_link(&link)))
}

/// The tasks of a worker, without those of its links.
fn tasks_of(info: TasksInfo) -> Vec<Task> {
    let TasksInfo { worker, age, swept, acceptors, handshakes, past_waits: _ } = info;
    let task = |kind, further: String, state: &str, lasting| {
        let place = format!("worker={worker}{further}");
        Task { kind, place, state: state.to_owned(), lasting, age: None }
    };

    let mut tasks =
        vec![task("pump", String::new(), "ends turns", age), task("sweep", String::new(), "waits for its time", swept)];
    tasks.extend(acceptors.iter().map(|acceptor| {
        let state = if acceptor.pausing { "pauses after an error" } else { "accepts" };
        task("acceptor", format!(" side={}", acceptor.side), state, acceptor.lasting)
    }));

    tasks.extend(handshakes.iter().map(|handshake| {
        task("handshake", format!(" peer={}", handshake.peer), "waits for the peer's proof", handshake.age)
    }));

    tasks
}

impl Task {
    fn of_link(link: &LinkInfo) -> Self {
        let (state, lasting) = state(link);
        let server = match link.role {
            Role::Server(server) => format!(" server={server}"),
            Role::Client => String::new(),
        };

        let (worker, id, side, peer) = (link.worker, link.id, link.role.side(), link.peer);
        let place = format!("worker={worker} link={id} side={side}{server} peer={peer}");
        Self { kind: "link", place, state, lasting, age: Some(link.age) }
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
        (Some((WaitReason::PausedSource, lasting)), Some(PausedBy::Memory)) => {
            ("not read: too much is held for all links (--max-buffered-bytes)".to_owned(), lasting)
        }
        (Some((reason, lasting)), _) => (words(reason).to_owned(), lasting),
        (None, _) if link.closing => ("closes: gets what waits for it".to_owned(), link.silent),
        (None, _) => ("waits for bytes".to_owned(), link.silent),
    }
}

fn words(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::OutboxFull => "its outbox is full",
        WaitReason::PausedSource => "not read: is resumed soon",
        WaitReason::UnreadAnswers => "not read: the peer does not take its answers",
        WaitReason::ByteRate => "not read: it has sent what --max-bytes-per-second allows",
        WaitReason::SlowWrite => "waits until the system takes more",
        WaitReason::NoTransport => "its session waits for the peer to come back",
    }
}
